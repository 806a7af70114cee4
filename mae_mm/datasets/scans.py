"""The files of a folder, on the disk or in shards.

To look through a million files takes minutes on some disks. What was found in a large folder is kept in the user's
cache, with the times at which the folders in it were changed: one process of a run looks through it, and none of the
next run. The folder itself is left as it is.
"""
import contextlib
import hashlib
import json
import os
import time
from collections.abc import Iterator

from filelock import FileLock

from ..checkpoint.writing import whole_file
from ..errors import InputError
from ..progress import tell
from .files import check_folder, files_in
from .shards import folders_in, shards_at

LARGE = 20_000  # files: those of a smaller folder are found in a moment
TOLD = 100_000  # files: how often a line says how many have been found
SETTLED_NS = 2_000_000_000  # in that time a disk's clock may stand still, so that a change would not be seen


def each_name(folder: str) -> Iterator[str]:
    """:func:`names_in`, in no order, and of a folder on the disk not all at once."""
    found = shards_at(folder)
    yield from files_in(folder) if found is None else found[0].names(found[1])


def names_in(folder: str, apart: bool = False) -> list[str]:
    """The sorted paths of the files in a folder and the folders in it, on the disk or in shards, relative to it.

    Args:
        apart: each folder in it by itself, as folders of classes are: sorted by these first, without files beside
            them, and a folder that links from two of them lead to is in both.

    Raises:
        ValueError: see :func:`files_in`.
    """
    found = shards_at(folder)
    if found is not None:
        names = found[0].names(found[1])
        return sorted((name for name in names if '/' in name), key=_by_folder) if apart else names
    check_folder(folder)
    folder = os.path.abspath(folder)
    kept = _place(folder, apart)
    with _one_process_at_a_time(kept):
        return _read(kept) or _scanned(folder, apart, kept)


def _by_folder(name: str) -> tuple[str, str]:
    first, _, rest = name.partition('/')
    return first, rest


def _place(folder: str, apart: bool) -> str:
    """Where the names in a folder are kept, if it is large."""
    cache = os.environ.get('XDG_CACHE_HOME') or os.path.join(os.path.expanduser('~'), '.cache')
    key = hashlib.sha256(os.fsencode(f'{os.path.abspath(folder)} {apart}')).hexdigest()[:32]
    return os.path.join(cache, 'mae_mm', 'folders', f'{key}.json')


@contextlib.contextmanager
def _one_process_at_a_time(kept: str) -> Iterator[None]:
    """The other processes of a run wait for the first, and find what it has kept."""
    with contextlib.ExitStack() as stack:
        if int(os.environ.get('WORLD_SIZE', 1)) > 1:
            with contextlib.suppress(OSError, NotImplementedError):  # no room for a cache: each looks for itself
                os.makedirs(os.path.dirname(kept), exist_ok=True)
                stack.enter_context(FileLock(f'{kept}.lock'))
        yield


def _read(kept: str) -> list[str] | None:
    """The names that are kept, if none of the folders has been changed since."""
    try:
        with open(kept, encoding='utf-8') as file:
            told = json.load(file)
        if any(os.stat(path).st_mtime_ns != changed for path, changed in told['changed'].items()):
            return None
        return told['names']
    except (OSError, KeyError, TypeError, ValueError):
        return None


def _scanned(folder: str, apart: bool, kept: str) -> list[str]:
    begin, changed = time.time_ns(), {folder: os.stat(folder).st_mtime_ns}
    names: list[str] = []
    for inner in folders_in(folder) if apart else ('', ):
        found = []
        for name in files_in(os.path.join(folder, inner) if apart else folder, changed):
            found.append(os.path.join(inner, name))
            if (len(names) + len(found)) % TOLD == 0:
                tell(f'{folder}: {len(names) + len(found):,} files so far')
        names += sorted(found)
    if len(names) >= LARGE and max(changed.values()) < begin - SETTLED_NS:
        with contextlib.suppress(InputError), whole_file(kept) as file:
            file.write(json.dumps(dict(changed=changed, names=names)).encode())
    return names
