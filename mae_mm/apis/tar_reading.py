"""What is in a tar file of another tool, in one pass from its beginning to its end; nothing is unpacked.

WebDataset's format: ``KEY.jpg`` (or another suffix) is an image, ``KEY.cls`` the number of its class, and a key ends
at the first dot of its name. Tar files without ``.cls`` may have any names.
"""
import hashlib
import os
import tarfile
import zlib
from collections.abc import Callable
from typing import IO, Any

from ..datasets.reading import DAMAGE, IMAGE_SUFFIXES, OTHER_SUFFIXES, header
from ..errors import InputError

CHUNK = 1 << 16  # bytes that are read at a time
LONGEST = 1 << 32  # bytes of an image, below this
CLASS = '.cls'
DIGITS = 9  # of a class, at most
COMPRESSED = ('.tar.gz', '.tgz', '.tar.bz2', '.tbz2', '.tar.xz', '.txz', '.tar.zst', '.tar.lz4')
_BEGINNINGS = (b'\x1f\x8b', b'BZh', b'\xfd7zXZ', b'\x28\xb5\x2f\xfd')  # of what these compress


def read_tar(path: str, advance: Callable[[int], None]) -> dict[str, Any]:
    """What a tar file holds.

    Args:
        advance: is called with the number of bytes that have been read since the last call.

    Returns:
        dict: ``bytes`` and ``sha256`` of the file; ``members``, name of an image -> offset, length, CRC-32;
        ``labels``, name of a ``.cls`` without its suffix -> class; ``broken``, name of an image -> why it cannot be
        used; ``others``, names of images in formats that nothing here reads.

    Raises:
        ValueError: with the file and the member: it was cut short, is compressed, has two members of one name, or a
            ``.cls`` that is no number.
    """
    with open(path, 'rb') as file:
        _check_beginning(path, file)
        reading, contents, last = _Reading(file, advance), _Contents(path), 'its beginning'
        try:
            with tarfile.open(fileobj=reading, mode='r|', bufsize=CHUNK, encoding='utf-8') as tar:  # type: ignore[call-overload]
                for info in tar:
                    last = info.name
                    contents.take(tar, info)
                end = tar.offset
        except InputError:
            raise
        except (tarfile.TarError, *DAMAGE) as error:
            raise InputError(f'{path} is no whole tar file ({error}, at {last}); copy it again, or remove '
                             'it') from None
        while reading.read(CHUNK):
            pass
        file.seek(end)  # where tarfile found no further member, whatever it found
        if not _is_end(file):
            raise InputError(f'{path} does not end as a tar file after {last}: it was cut short, is damaged, or is '
                             'two that were put together; copy it again, or remove it')
    return dict(bytes=reading.place, sha256=reading.hash.hexdigest(), members=contents.members,
                labels=contents.labels, broken=contents.broken, others=contents.others)


def unpacked(name: str) -> str:
    """What a compressed tar file is named without compression: ``a.tar`` of ``a.tar.gz`` and of ``a.tgz``."""
    stem = os.path.splitext(name)[0]
    return stem if stem.endswith('.tar') else f'{stem}.tar'


def _check_beginning(path: str, file: IO[bytes]) -> None:
    if file.read(8).startswith(_BEGINNINGS):
        raise InputError(f'{path} is compressed, and an image in it cannot be read by itself; unpack it to a .tar '
                         'without compression')
    file.seek(0)


def _is_end(file: IO[bytes]) -> bool:
    """Whether a block of zeros comes, and nothing but zeros after it."""
    if len(block := file.read(tarfile.BLOCKSIZE)) < tarfile.BLOCKSIZE:
        return False
    while block:
        if block.strip(b'\0'):
            return False
        block = file.read(CHUNK)
    return True


class _Reading:
    """A file that is read once, in order, with its hash."""

    def __init__(self, file: IO[bytes], advance: Callable[[int], None]):
        self.file, self.advance = file, advance
        self.hash, self.place = hashlib.sha256(), 0

    def read(self, size: int) -> bytes:
        data = self.file.read(size)
        self.hash.update(data)
        self.place += len(data)
        self.advance(len(data))
        return data


class _Contents:
    """What was found in a tar file, member after member; see :func:`read_tar`."""

    def __init__(self, path: str):
        self.path = path
        self.members: dict[str, tuple[int, int, int]] = {}
        self.labels: dict[str, int] = {}
        self.broken: dict[str, str] = {}
        self.others: list[str] = []

    def take(self, tar: tarfile.TarFile, info: tarfile.TarInfo) -> None:
        name = os.path.normpath(f'/{info.name}').lstrip('/')  # of ./a.jpg, of /a.jpg and of ../a.jpg
        lower = name.lower()
        if info.isdir() or any(part.startswith('.') for part in name.split('/')):
            return  # hidden files, as in folders
        if lower.endswith(CLASS):
            self._only_one(info, name[:-len(CLASS)] in self.labels)
            self.labels[name[:-len(CLASS)]] = self._label(tar, info)
        elif lower.endswith(IMAGE_SUFFIXES):
            self._only_one(info, name in self.members or name in self.broken)
            self._image(tar, info, name)
        elif lower.endswith(OTHER_SUFFIXES):
            self.others.append(name)

    def _only_one(self, info: tarfile.TarInfo, there: bool) -> None:
        if there:
            raise InputError(f'{self.path}: two members are named {info.name}; write the tar file with one of them')

    def _label(self, tar: tarfile.TarFile, info: tarfile.TarInfo) -> int:
        stored = tar.extractfile(info) if info.isreg() else None
        text = (stored.read(DIGITS + 3) if stored else b'').strip()
        if not text.isdigit() or len(text) > DIGITS:
            raise InputError(f'{self.path}: {info.name} holds {text.decode(errors="replace")!r}, and a class is a '
                             'whole number from 0 on; mend or remove the tar file')
        return int(text)

    def _image(self, tar: tarfile.TarFile, info: tarfile.TarInfo, name: str) -> None:
        stored = tar.extractfile(info) if info.isreg() and info.sparse is None and info.size < LONGEST else None  # type: ignore[attr-defined]
        if stored is None:
            self.broken[name] = 'is a link or has holes, and is not stored as one piece'
            return
        data = stored.read()
        try:
            known = any(header(name, data)[:2])
        except InputError:
            known = False
        if known:
            self.members[name] = info.offset_data, info.size, zlib.crc32(data)
        else:
            self.broken[name] = 'cannot be read as an image'
