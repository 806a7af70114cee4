"""The files of a folder and of the folders in it."""
import os
import stat
from collections.abc import Iterator, Sequence

from ..errors import InputError


def files_in(folder: str, changed: dict[str, int] | None = None) -> Iterator[str]:
    """Paths of the files in a folder, relative to it, in no order; of folders that are links too.

    A folder that several links lead to is entered once, so that links to a folder above end. Hidden files and folders
    are left out. A link that leads nowhere, or a pipe, is among the files: :func:`check_file` tells, when it is read.

    Args:
        changed: takes the paths of the folders that were looked through, and when each was changed last.

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
        if changed is not None:
            changed[path] = status.st_mtime_ns
        try:
            entries = sorted(os.scandir(path), key=lambda entry: entry.name)
        except PermissionError:
            raise InputError(f'{path}: no permission to read this folder') from None
        for entry in entries:
            if entry.name.startswith('.'):
                continue
            if is_folder(entry):
                left.append(os.path.join(inner, entry.name))
            else:
                yield os.path.join(inner, entry.name)


def is_folder(entry: 'os.DirEntry[str]') -> bool:
    """Whether an entry is a folder, or a link to one; a link to itself is none."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def check_file(path: str, as_what: str = 'a file') -> None:
    """Tell what is wrong with a file before it is opened: opening a pipe would wait for ever.

    Raises:
        ValueError: it is not there, may not be read, or is no file.
    """
    try:
        status = os.stat(path)
    except (OSError, ValueError) as error:  # ValueError: of zero bytes in a name
        why = getattr(error, 'strerror', None) or error
        why = 'a link that leads nowhere' if os.path.islink(path) and isinstance(error, FileNotFoundError) else why
        raise InputError(f'{path} cannot be read as {as_what}: {why}; mend it or remove it') from None
    if not stat.S_ISREG(status.st_mode):
        kind = 'a folder' if stat.S_ISDIR(status.st_mode) else 'a pipe or a device'
        raise InputError(f'{path} is {kind}, and a file is needed; remove it')
    if not os.access(path, os.R_OK):
        raise InputError(f'{path} cannot be read as {as_what}: Permission denied; mend it or remove it')


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


def none_there(folder: str, suffixes: Sequence[str], what: str = 'images', where: str = '') -> InputError:
    """The error of a folder without files of some suffixes; tar files there may have some in them."""
    tars = any(name.lower().endswith('.tar') for name in os.listdir(folder)) if os.path.isdir(folder) else False
    remedy = f'; of its tar files mae-mm shards index {folder} makes a data set' if tars else ''
    return InputError(f'{folder}: no {what} there{where}; known are {", ".join(suffixes)}{remedy}')
