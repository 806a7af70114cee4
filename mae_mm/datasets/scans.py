"""The files of a folder, on the disk or in shards."""
import os
from collections.abc import Iterator

from .files import files_in
from .shards import folders_in, shards_at


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
    if not apart:
        return sorted(files_in(folder))
    return [os.path.join(name, path) for name in folders_in(folder)
            for path in sorted(files_in(os.path.join(folder, name)))]


def _by_folder(name: str) -> tuple[str, str]:
    first, _, rest = name.partition('/')
    return first, rest
