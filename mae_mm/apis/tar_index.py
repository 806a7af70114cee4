"""An index for tar files of other tools, which makes shards of them where they are; see :mod:`.tar_reading`."""
import contextlib
import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from typing import Any

from ..checkpoint.writing import AtomicBackend
from ..datasets.files import check_file, check_folder
from ..datasets.reading import IMAGE_SUFFIXES, other_images
from ..datasets.shard_head import FORMAT, HEAD, SUFFIX, read_head
from ..datasets.shards import Shards
from ..errors import InputError, listed
from ..progress import progress_of, tell
from .shard_index import alone, write_index
from .sharding import DONE, SHOWN
from .tar_names import named, read_names, splits_of
from .tar_reading import COMPRESSED, read_tar, unpacked

CLASSES = 'classes.txt'
INDEXED = '.indexed.json'  # beside a tar file until all have been read: what it holds
MIB = 20  # bits


def index_tars(folder: str, classes: str | None = None, skip_broken: bool = False) -> dict[str, Any]:
    """Write an index of the tar files in a folder, which makes it one of shards; what was read already is kept.

    Args:
        classes: a file with the name of class 0, 1, 2 and so on in each line, or ``imagenet-1k``; by default
            ``classes.txt`` in the folder, else classes are named by their numbers.
        skip_broken: leave out images that cannot be used.

    Returns:
        dict: the contents of ``shards.json``.

    Raises:
        ValueError: no tar files, or some that cannot be read, all of which are named; images that cannot be used; an
            index of something else; a folder that cannot be written.
    """
    tars = _tars(folder)
    splits_of(tars)
    beside = os.path.join(folder, CLASSES)
    names = read_names(beside if classes is None and os.path.lexists(beside) else classes)
    sizes = [[tar, os.path.getsize(os.path.join(folder, tar))] for tar in tars]
    source = hashlib.sha256(json.dumps([FORMAT, 'index', sizes, names]).encode()).hexdigest()
    head = _existing(folder, source)
    if head is None:
        with alone(folder, f'index a folder of links to them: ln -s {os.path.join(os.path.abspath(folder), "*")} DIR'):
            contents = _read_all(folder, tars)
            _write(folder, contents, names, source, skip_broken)
        head = Shards(folder).head
    for tar in tars:
        with contextlib.suppress(OSError):
            os.remove(os.path.join(folder, tar + INDEXED))
    return head


def _tars(folder: str) -> list[str]:
    """The sorted names of the tar files in a folder."""
    check_folder(folder)
    found = sorted(name for name in os.listdir(folder) if name[0] != '.')
    tars = [name for name in found if name.endswith(SUFFIX)]
    compressed = [name for name in found if name.endswith(COMPRESSED) and unpacked(name) not in tars]
    if compressed:
        raise InputError(f'{folder}: {listed(compressed)}: compressed, and an image in it cannot be read by itself; '
                         f'unpack it to a {SUFFIX} without compression')
    if not tars:
        raise InputError(f'{folder}: no {SUFFIX} files there')
    for name in tars:
        check_file(os.path.join(folder, name), 'a tar file')
    unfinished = [name for name in found if name.endswith(SUFFIX + DONE)]
    if unfinished:
        raise InputError(f'{folder}: mae-mm shards make was interrupted there ({unfinished[0]}); go on with it')
    return tars


def _existing(folder: str, source: str) -> dict[str, Any] | None:
    """The index that is there already, if it is of these tar files and classes.

    Raises:
        ValueError: it is of something else.
    """
    if not os.path.lexists(os.path.join(folder, HEAD)):
        return None
    head = read_head(folder)
    if head['source'] == source:
        return Shards(folder).head
    whose = ('of other tar files or other classes; remove both shards.json and shards.index to index anew'
             if head.get('indexed') else 'of mae-mm shards make: a data_root can be the folder as it is')
    raise InputError(f'{folder} has an index already ({HEAD}), {whose}')


def _read_all(folder: str, tars: Sequence[str]) -> dict[str, dict[str, Any]]:
    """What each tar file holds; beside each that was read a file says it, so that it is read once."""
    contents, wrong = {}, []
    paths = {tar: os.path.join(folder, tar) for tar in tars}
    with progress_of(sum(map(os.path.getsize, paths.values())) >> MIB or 1) as progress:
        total = 0

        def advance(count: int) -> None:
            nonlocal total
            before, total = total, total + count
            if total >> MIB > before >> MIB:
                progress.update((total >> MIB) - (before >> MIB))

        for tar, path in paths.items():
            status = os.stat(path)
            told = [FORMAT, status.st_size, status.st_mtime_ns]
            known = _known(path + INDEXED, told)
            if known is not None:
                advance(known['bytes'])
            else:
                try:
                    known = dict(read_tar(path, advance), of=told)
                except InputError as error:
                    wrong.append(str(error))
                    continue
                AtomicBackend().put(json.dumps(known).encode(), path + INDEXED)
            contents[tar] = known
    if wrong:
        raise InputError(_several(wrong))
    return contents


def _known(path: str, told: list[Any]) -> dict[str, Any] | None:
    try:
        with open(path, encoding='utf-8') as file:
            known = json.load(file)
        return known if known['of'] == told else None
    except (OSError, KeyError, TypeError, ValueError):
        return None


def _several(reasons: Sequence[str]) -> str:
    return '; '.join(reasons[:SHOWN]) + (f'; and {len(reasons) - SHOWN} more' if len(reasons) > SHOWN else '')


def _write(folder: str, contents: Mapping[str, Mapping[str, Any]], classes: Sequence[str] | None, source: str,
           skip_broken: bool) -> None:
    broken = {f'{tar}/{member}': why for tar, content in contents.items() for member, why in content['broken'].items()}
    paths, found = named(contents, classes, broken)
    others = other_images(name for content in contents.values() for name in content['others'])
    if others:
        tell(f'{folder}: left out {others}; known are {", ".join(IMAGE_SUFFIXES)}')
    if broken and not skip_broken:
        raise InputError(f'{folder}: {len(broken)} image{"s" * (len(broken) > 1)} cannot be used: '
                         f'{_several([f"{name} {why}" for name, why in broken.items()])}. The same command with '
                         '--skip-broken goes on without them')
    if not any(paths.values()):
        raise InputError(f'{folder}: no images in {listed(contents)}; known are {", ".join(IMAGE_SUFFIXES)}')
    shards = [dict(name=tar, bytes=content['bytes'], sha256=content['sha256'], images=len(paths[tar]),
                   members={path: content['members'][member] for member, path in paths[tar].items()})
              for tar, content in contents.items()]
    write_index(folder, shards, replaces=False, source=source, indexed=True, classes=found, left_out=len(broken))
