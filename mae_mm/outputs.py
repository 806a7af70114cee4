"""Where results go: never where they came from, and no two under one name."""
import os
from collections.abc import Iterable, Sequence

from .errors import InputError


def check_target(out_dir: str, inputs: Sequence[str]) -> None:
    """See that nothing is written where the images are.

    Args:
        inputs: images, and folders of images.

    Raises:
        ValueError: a folder that is, holds or lies in one of them, or is a file.
    """
    target = os.path.realpath(out_dir)
    if os.path.exists(target) and not os.path.isdir(target):
        raise InputError(f'{out_dir} is a file, and the output needs a folder')
    check_writable(out_dir)
    for name in inputs:
        folder = os.path.realpath(name if os.path.isdir(name) else os.path.dirname(os.path.abspath(name)))
        shared = os.path.commonpath([target, folder])
        if (os.path.isdir(name) and shared in (target, folder)) or target == folder:
            raise InputError(f'{out_dir}: the output would be among the images ({name}); choose another folder')


def check_replaces_nothing(targets: Sequence[str], sources: Sequence[str]) -> None:
    """See that no file that is written is one that is read, whatever links and relative paths lead there.

    Args:
        sources: files, and folders of such; others, such as URLs, are passed over.

    Raises:
        ValueError: with the two.
    """
    for source in map(os.path.expanduser, sources):
        inside = [entry.path for entry in os.scandir(source)] if os.path.isdir(source) else [source]
        for path in inside if os.path.exists(source) else ():
            for target in targets:
                if os.path.realpath(target) == os.path.realpath(path) or (
                        os.path.exists(target) and os.path.exists(path) and os.path.samefile(target, path)):
                    raise InputError(f'{target} would replace {path}, which it is made from; choose another name')


def check_apart(out_dir: str, data_root: str | None, option: str = '') -> None:
    """See that a folder is not among the data; it may hold them.

    Args:
        option: that chooses the folder, for the message.

    Raises:
        ValueError: it is.
    """
    root = os.path.realpath(data_root) if data_root else ''
    if root and os.path.commonpath([os.path.realpath(out_dir), root]) == root:
        raise InputError(f'{out_dir}: the output would be among the data ({data_root}); choose another folder'
                         + (f' by {option}' if option else ''))


def check_writable(path: str, made_from: Sequence[str] = ()) -> None:
    """See that a file or folder can be written, without making it, and that it is none of what it is made from.

    Raises:
        ValueError: with the path, and why not.
    """
    if not path:
        raise InputError('the name of the output is empty')
    target = os.path.realpath(path)
    check_replaces_nothing([path], made_from)
    try:
        os.stat(path)
    except FileNotFoundError:
        path_there = os.path.dirname(target)
        while not os.path.lexists(path_there):
            path_there = os.path.dirname(path_there)
        if not os.path.isdir(path_there):
            raise InputError(f'{path} cannot be written: {path_there} is a file; choose another place') from None
        if not os.access(path_there, os.W_OK | os.X_OK):
            raise InputError(f'{path} cannot be written: no permission in {path_there}; choose another '
                             'place') from None
    except (OSError, ValueError) as error:
        raise InputError(f'{path} cannot be written: {getattr(error, "strerror", None) or error}; choose another '
                         'place') from None


def make_folder(path: str) -> None:
    """Make a folder for what is written, if it is not there.

    Raises:
        ValueError: with the folder, and why not.
    """
    try:
        os.makedirs(path, exist_ok=True)
    except OSError as error:
        raise InputError(f'{path} cannot be written: {error.strerror}; choose another folder') from None


def common_folder(paths: Sequence[str]) -> str:
    """The folder that holds all of some files."""
    return os.path.commonpath([os.path.dirname(os.path.abspath(path)) for path in paths])


def output_names(paths: Sequence[str]) -> dict[str, str]:
    """For each file its path in the folder that holds all, without the suffix.

    Raises:
        ValueError: two that differ in their suffix alone.
    """
    root = common_folder(paths)
    names = {path: os.path.splitext(os.path.relpath(os.path.abspath(path), root))[0] for path in paths}
    check_names(names.items())
    return names


def check_names(named: Iterable[tuple[str, str]]) -> None:
    """See that no two of some ``(path, name)`` have one name.

    Raises:
        ValueError: with the two.
    """
    seen: dict[str, str] = {}
    for path, name in named:
        other = seen.setdefault(name, path)
        if other != path:
            raise InputError(f'{other} and {path} would be written under one name; give them one after the other, '
                             'with a folder each, or rename one')


def short_name(path: str) -> str:
    """A file's name with the folder that it is in, for a title."""
    return os.path.join(*path.rsplit(os.sep, 2)[-2:])
