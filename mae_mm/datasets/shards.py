"""Shards: tar files of images, and an index by which each image is one read.

    DIR/shards.json        the tar files with their sizes and hashes, and the classes
    DIR/shards.index       where each image is, sorted by the names that the files had: their paths in their folder
    DIR/train-000000.tar   WebDataset's format: KEY.jpg and, of class folders, KEY.cls with the number of the class

To data sets shards are the folder that they were made from: ``DIR/train/cat`` is a folder in them.
"""
import functools
import logging
import os
import zlib
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import IO

import numpy as np

from ..errors import InputError, listed
from ..progress import tell
from .files import check_file, check_folder, is_folder
from .shard_head import HEAD, INDEX, SUFFIX, read_head

# One for each image. Its name ends at ``name_end`` in the bytes after all records, where the one before it ended.
RECORD = np.dtype([('offset', '<u8'), ('name_end', '<u8'), ('shard', '<u4'), ('length', '<u4'), ('crc', '<u4')])
MOST_OPEN = 32  # files of a process


class Shards:
    """A folder of shards, opened: which images there are, and their bytes.

    Attributes:
        head: the contents of ``shards.json``.

    Raises:
        ValueError: an index that is none or does not fit, a shard that is missing or of another size.
    """

    def __init__(self, folder: str):
        self.folder = folder
        self.head = read_head(folder)
        self._open: OrderedDict[int, IO[bytes]] = OrderedDict()  # number of a shard -> file
        path = os.path.join(folder, INDEX)
        if not os.path.isfile(path):
            raise InputError(f'{path} is missing; {self.remedy}')
        self._check_sizes()
        try:
            content = np.asarray(np.memmap(path, np.uint8, mode='r'))  # a slice of a memmap takes 5 us
        except (OSError, ValueError) as error:
            raise InputError(f'{path} cannot be read: {error}; {self.remedy}') from None
        end = min(self.head['images'], len(content) // RECORD.itemsize) * RECORD.itemsize
        self._records, self._names = content[:end].view(RECORD), content[end:]
        self._ends = self._records['name_end']
        if not self._fits():
            raise InputError(f'{path} does not fit {HEAD} and the shards beside it; {self.remedy}')

    def __reduce__(self) -> tuple[Callable, tuple[str]]:
        return Shards, (self.folder, )

    @property
    def remedy(self) -> str:
        """What to do about shards that were changed."""
        if self.head.get('indexed'):
            return (f'copy the tar files again; if they are to be as they are now, remove {HEAD} and {INDEX}, and '
                    f'run: mae-mm shards index {self.folder}')
        return f'copy the shards again, or mend them with: mae-mm shards make SOURCE {self.folder}'

    def _check_sizes(self) -> None:
        wrong = []
        for shard in self.head['shards']:
            path = os.path.join(self.folder, shard['name'])
            try:
                size = os.stat(path).st_size
            except OSError as error:
                wrong.append(f'{shard["name"]} ({error.strerror})')
                continue
            if size != shard['bytes']:
                wrong.append(f'{shard["name"]} ({size:,} bytes of {shard["bytes"]:,})')
        if wrong:
            raise InputError(f'{self.folder}: {listed(wrong)}: not as {HEAD} says; {self.remedy}')

    def beside(self) -> str:
        """What to say of tar files in the folder that the index does not know; nothing if there are none."""
        known = {shard['name'] for shard in self.head['shards']}
        names = sorted(name for name in os.listdir(self.folder) if name.endswith(SUFFIX) and name not in known)
        if not names:
            return ''
        add = (f'to add them remove {HEAD} and {INDEX}, and run: mae-mm shards index {self.folder}'
               if self.head.get('indexed') else 'they are none of these shards; move them elsewhere')
        return f'{self.folder}: {listed(names)}: not in {HEAD}, and left out; {add}'

    def _fits(self) -> bool:
        """Whether all records are of places in the shards, and of names."""
        records, ends = self._records, self._ends
        if len(records) != self.head['images'] or not len(records) or records['shard'].max() >= len(
                self.head['shards']):
            return False
        sizes = np.array([shard['bytes'] for shard in self.head['shards']], np.uint64)[records['shard']]
        inside = (records['offset'] <= sizes) & (records['length'] <= sizes - np.minimum(records['offset'], sizes))
        return bool(inside.all() and ends[0] and (ends[1:] > ends[:-1]).all() and ends[-1] == len(self._names))

    def __len__(self) -> int:
        return len(self._records)

    def name(self, row: int) -> str:
        """The path that an image had in its folder; rows are sorted by it."""
        return self._decoded(int(self._ends[row - 1]) if row else 0, int(self._ends[row]))

    def row(self, name: str) -> int | None:
        """The row of the image that had this path; None without such."""
        row = bisect_left(range(len(self)), name, key=self.name)
        return row if row < len(self) and self.name(row) == name else None

    def _decoded(self, begin: int, end: int) -> str:
        return os.fsdecode(self._names[begin:end].tobytes())

    def rows(self, inner: str) -> range:
        """The rows of the images in a folder and the folders in it; ``''`` for all."""
        first, end = (bisect_left(range(len(self)), inner + after, key=self.name) for after in ('/', '0'))
        return range(first, end) if inner else range(len(self))  # 0 is the letter after the slash

    def names(self, inner: str) -> list[str]:
        """The sorted paths of the images in a folder, relative to it."""
        rows, skipped = self.rows(inner), len(inner) + bool(inner)
        if not rows:
            return []
        first = int(self._ends[rows.start - 1]) if rows.start else 0
        ends = (self._ends[rows.start:rows.stop] - first).tolist()
        stored = self._names[first:first + ends[-1]].tobytes()
        ascii_only, text = stored.isascii(), os.fsdecode(stored)  # letters are bytes then
        return [text[begin + skipped:end] if ascii_only else os.fsdecode(stored[begin:end])[skipped:]
                for begin, end in zip([0, *ends], ends, strict=False)]

    def shard_of(self, rows: Sequence[int]) -> np.ndarray:
        """Number of the shard that each row is in."""
        return self._records['shard'][np.asarray(rows)]

    def offset_of(self, rows: Sequence[int]) -> np.ndarray:
        """Where each row begins in its shard."""
        return self._records['offset'][np.asarray(rows)]

    def path(self, row: int) -> str:
        """An image as messages name it: ``DIR/train-000000.tar/train/cat/1.jpg``."""
        return os.path.join(self._path(int(self._records['shard'][row])), self.name(row))

    def _path(self, shard: int) -> str:
        return os.path.join(self.folder, self.head['shards'][shard]['name'])

    def read(self, row: int) -> bytes:
        """The bytes of an image's file.

        Raises:
            ValueError: the shard is gone, or holds other bytes than those that were put there.
        """
        record = self._records[row]
        try:
            data = os.pread(self._file(int(record['shard'])).fileno(), int(record['length']), int(record['offset']))
        except OSError as error:
            raise InputError(f'{self.path(row)} cannot be read: {error.strerror}; {self.remedy}') from None
        if len(data) != record['length'] or zlib.crc32(data) != record['crc']:
            raise InputError(f'{self.path(row)}: the shard was changed since it was made; mae-mm shards verify '
                             f'{self.folder} names all that were')
        return data

    def _file(self, shard: int) -> IO[bytes]:
        """A shard that is open from now on. Processes may share one: reads name their place."""
        if shard not in self._open:
            if len(self._open) >= MOST_OPEN:
                self._open.popitem(last=False)[1].close()
            self._open[shard] = open(self._path(shard), 'rb', buffering=0)
        self._open.move_to_end(shard)
        return self._open[shard]


def shards_at(path: str) -> tuple[Shards, str] | None:
    """The shards that are in a folder, or that hold it, and its path in them; None for what is on the disk."""
    path, inner = os.path.normpath(path), ''
    while path and not os.path.lexists(path):
        path, name = os.path.split(path)
        inner = os.path.join(name, inner) if inner else name
        if not name:
            return None
    if path.endswith(SUFFIX) and inner:  # as messages name an image
        path = os.path.dirname(path)
    head = os.path.join(path, HEAD)
    if not os.path.lexists(head):
        return None
    check_file(head, 'an index of shards')
    status = os.stat(head)
    return _opened(path, status.st_mtime_ns, status.st_size), inner


@functools.lru_cache(maxsize=8)
def _opened(folder: str, *changed: int) -> Shards:
    shards = Shards(folder)
    beside = shards.beside()
    if beside:
        tell(beside, logging.WARNING)
    return shards


def bytes_at(path: str) -> bytes | None:
    """The bytes of an image in shards, by its path in them or as messages name it; None of a file on the disk."""
    found = _image_at(path)
    return None if found is None else found[0].read(found[1])


def is_in_shards(path: str) -> bool:
    """Whether :func:`bytes_at` has bytes of an image there."""
    return _image_at(path) is not None


def _image_at(path: str) -> tuple[Shards, int] | None:
    found = None if os.path.exists(path) else shards_at(path)
    row = None if found is None else found[0].row(found[1])
    return None if found is None or row is None else (found[0], row)


def is_folder_of_images(path: str) -> bool:
    """Whether there is such a folder, on the disk or in shards."""
    found = None if os.path.isdir(path) else shards_at(path)
    return os.path.isdir(path) if found is None else len(found[0].rows(found[1])) > 0


def folders_in(path: str) -> tuple[str, ...]:
    """The sorted names of the folders in a folder, on the disk or in shards, without hidden ones.

    Raises:
        ValueError: there is no such folder, or it may not be read.
    """
    found = shards_at(path)
    if found is None:
        check_folder(path)
        return tuple(sorted(entry.name for entry in os.scandir(path) if entry.name[0] != '.' and is_folder(entry)))
    return tuple(sorted({name.partition('/')[0] for name in found[0].names(found[1]) if '/' in name}))
