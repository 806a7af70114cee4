"""The files of a folder and of the folders in it."""
import os
from collections.abc import Iterator

from ..errors import InputError


def files_in(folder: str) -> Iterator[str]:
    """Paths of the files in a folder, relative to it, in no order; of folders that are links too.

    A folder that several links lead to is entered once, so that links to a folder above end. Hidden files and folders
    are left out.

    Raises:
        ValueError: a folder that is not there, is a file, or may not be read.
    """
    check_folder(folder)
    entered = set()
    left = ['']
    while left:
        inner = left.pop()
        path = os.path.join(folder, inner)
        status = os.stat(path)
        if (status.st_dev, status.st_ino) in entered:
            continue
        entered.add((status.st_dev, status.st_ino))
        try:
            entries = sorted(os.scandir(path), key=lambda entry: entry.name)
        except PermissionError:
            raise InputError(f'{path}: no permission to read this folder') from None
        for entry in entries:
            if entry.name.startswith('.'):
                continue
            if entry.is_dir():
                left.append(os.path.join(inner, entry.name))
            elif entry.is_file():
                yield os.path.join(inner, entry.name)


def check_folder(folder: str) -> None:
    """Tell what is wrong with a folder.

    Raises:
        ValueError: it is not there, is a file, or may not be read.
    """
    if os.path.isfile(folder):
        raise InputError(f'{folder} is a file, and a folder of images is needed')
    if not os.path.isdir(folder):
        raise InputError(f'{folder}: no such folder')
    if not os.access(folder, os.R_OK | os.X_OK):
        raise InputError(f'{folder}: no permission to read this folder')
