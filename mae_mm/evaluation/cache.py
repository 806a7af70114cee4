"""Features on the disk: each image passes an encoder once, and every probe reads what it left.

An entry is a folder, named by a digest of what its features follow from: the encoder's weights, the images and the
settings. It has a file for each column (the pooled tokens of all layers; the patches of one layer) with a record of
half floats for each image, and ``progress.json``, which says how many records of each are safe.
"""
import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import IO, Any

import numpy as np

from ..checkpoint.writing import AtomicBackend
from ..errors import InputError
from ..outputs import make_folder

PROGRESS, FACTS, LOCK = 'progress.json', 'facts.json', 'lock'
SAVED_EVERY = 5.  # seconds: what an interruption costs
HALF = np.dtype(np.float16)
KEPT = 'what was measured is kept'


def digest(value: Any) -> str:
    """32 hexadecimal digits of plain data."""
    return hashlib.blake2b(json.dumps(value, sort_keys=True).encode(), digest_size=16).hexdigest()


class Entry:
    """The features of some images by one encoder.

    Args:
        root: the cache's folder.
        facts: what the features follow from, as plain data.
        number: of images.
        shapes: column -> shape of an image's record.
    """

    def __init__(self, root: str, facts: Mapping[str, Any], number: int, shapes: Mapping[str, Sequence[int]]):
        self.facts, self.number = dict(facts), number
        self.shapes = {name: tuple(shape) for name, shape in shapes.items()}
        self.folder = os.path.join(root, digest(facts))

    def _path(self, name: str) -> str:
        return os.path.join(self.folder, name)

    def record_bytes(self, column: str) -> int:
        return int(np.prod(self.shapes[column])) * HALF.itemsize

    def done(self) -> dict[str, int]:
        """Column -> its number of records, as far as the files really hold them."""
        try:
            with open(self._path(PROGRESS)) as file:
                told = json.load(file)
            sizes = {column: os.path.getsize(self._path(column)) for column in told}
            return {column: min(int(told[column]), sizes[column] // self.record_bytes(column))
                    for column in told if column in self.shapes}
        except (OSError, ValueError, TypeError, AttributeError):  # not there, or damaged: the images pass once more
            return {}

    def missing(self, columns: Collection[str]) -> list[str]:
        done = self.done()
        return [column for column in columns if done.get(column, 0) < self.number]

    def bytes_to_write(self, columns: Collection[str]) -> int:
        done = self.done()
        return sum((self.number - done.get(column, 0)) * self.record_bytes(column) for column in columns)

    def read(self, column: str) -> np.ndarray:
        """``(images, *shape)`` half floats, mapped from the disk."""
        os.utime(self._path(PROGRESS))  # the entry was used
        return np.memmap(self._path(column), HALF, mode='r', shape=(self.number, *self.shapes[column]))

    @contextlib.contextmanager
    def writing(self, columns: Sequence[str]) -> Iterator['Writer']:
        """Go on writing columns, all from the image that the least of them has reached.

        Raises:
            ValueError: the disk is full, the folder cannot be written, or another process writes there.
        """
        try:
            make_folder(self.folder)
            with open(self._path(LOCK), 'w') as lock, contextlib.ExitStack() as files:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    raise InputError(f'{self.folder}: another process writes these features; wait for it, or give '
                                     '--cache another folder') from None
                AtomicBackend().put(json.dumps(self.facts, indent=1).encode(), self._path(FACTS))
                done = self.done()
                start = min(done.get(column, 0) for column in columns)
                opened = {column: files.enter_context(open(self._path(column), 'ab')) for column in columns}
                for column, file in opened.items():
                    file.truncate(start * self.record_bytes(column))
                writer = Writer(self, opened, {**done, **dict.fromkeys(columns, start)}, start)
                yield writer
                writer.save()
        except OSError as error:
            raise InputError(f'{self.folder}: features could not be written ({error.strerror}); make room there, or '
                             f'give --cache a folder on another disk; {KEPT}') from error


class Writer:
    """Appends records of several columns of an entry.

    Attributes:
        place: the image that comes next.
    """

    def __init__(self, entry: Entry, files: Mapping[str, IO[bytes]], done: dict[str, int], start: int):
        self.entry, self.files, self._done, self.place = entry, files, done, start
        self._saved = time.monotonic()

    def add(self, records: Mapping[str, np.ndarray]) -> None:
        """``(B, *shape)`` half floats of each column."""
        for column, file in self.files.items():
            assert records[column].dtype == HALF and records[column].shape[1:] == self.entry.shapes[column]
            file.write(np.ascontiguousarray(records[column]).data)
        self.place += len(records[column])
        if time.monotonic() - self._saved > SAVED_EVERY:
            self.save()

    def save(self) -> None:
        """See that what has been written outlives the process and the machine."""
        for file in self.files.values():
            file.flush()
            os.fsync(file.fileno())
        self._done |= dict.fromkeys(self.files, self.place)
        AtomicBackend().put(json.dumps(self._done).encode(), self.entry._path(PROGRESS))
        self._saved = time.monotonic()


def make_room(root: str, needed: int, limit: int, in_use: Collection[str] = ()) -> None:
    """Remove the entries that were not used for longest until so many more bytes fit under a limit.

    Args:
        root: the cache's folder.
        in_use: folders of entries that stay.

    Raises:
        ValueError: they do not fit, under the limit or on the disk.
    """
    make_folder(root)
    sizes = {}
    for entry in os.scandir(root):
        if os.path.isfile(os.path.join(entry.path, FACTS)):  # nothing else is ours to remove
            sizes[entry.path] = sum(file.stat().st_size for file in os.scandir(entry.path))
    kept = set(map(os.path.abspath, in_use))
    old = sorted((path for path in sizes if os.path.abspath(path) not in kept), key=_last_use)
    while sum(sizes.values()) + needed > limit and old:
        path = old.pop(0)
        shutil.rmtree(path, ignore_errors=True)
        del sizes[path]
    if sum(sizes.values()) + needed > limit:
        raise InputError(f'{root}: the features need {gigabytes(sum(sizes.values()) + needed)}, and --cache-size '
                         f'allows {gigabytes(limit)}; allow more, or choose fewer --layers; {KEPT}')
    free = shutil.disk_usage(root).free
    if needed > free:
        raise InputError(f'{root}: the features need {gigabytes(needed)} more, and the disk has {gigabytes(free)}; '
                         f'make room, give --cache a folder on another disk, or choose fewer --layers; {KEPT}')


def _last_use(folder: str) -> float:
    try:
        return os.path.getmtime(os.path.join(folder, PROGRESS))
    except OSError:
        return 0.


def gigabytes(number: int) -> str:
    return f'{number / 1e9:.2f} GB'
