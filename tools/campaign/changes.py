"""Changes of a copy of good data, and those that leave no folder at all."""
import os
import shutil
from collections.abc import Callable
from pathlib import Path

from .image_files import whole
from .inputs import REFUSED

Change = Callable[[Path], object]  # of a copy of good data; what it returns takes the data's place
Case = tuple[str, Change, tuple[str, ...], str]  # what, change, names, expected
PNG = whole('png')


def write(path: str, content: bytes | str) -> Change:
    def change(data: Path) -> None:
        (data / path).parent.mkdir(parents=True, exist_ok=True)
        (data / path).write_bytes(content if isinstance(content, bytes) else content.encode())
    return change


def remove(*paths: str) -> Change:
    def change(data: Path) -> None:
        for path in paths:
            shutil.rmtree(data / path) if (data / path).is_dir() else (data / path).unlink()
    return change


def empty(*paths: str) -> Change:
    def change(data: Path) -> None:
        for path in paths:
            shutil.rmtree(data / path)
            (data / path).mkdir(parents=True)
    return change


def both(*changes: Change) -> Change:
    def change(data: Path) -> None:
        for one in changes:
            one(data)
    return change


def instead(path: str) -> Change:
    """Another data root."""
    return lambda data: data.parent / path if path else ''


def keep(pattern: str, count: int) -> Change:
    """Remove all files of a pattern but so many."""
    def change(data: Path) -> None:
        for path in sorted(data.glob(pattern))[count:]:
            path.unlink()
    return change


def pipe(path: str) -> Change:
    return lambda data: os.mkfifo(data / path)


def link(path: str, target: str) -> Change:
    return lambda data: (data / path).symlink_to(target)


def folder(path: str) -> Change:
    return lambda data: (data / path).mkdir(parents=True)


def no_folder(data: Path) -> Path:
    path = data.parent / 'a-file'
    path.write_text('no folder')
    return path


def pipe_as_root(data: Path) -> Path:
    os.mkfifo(data.parent / 'a-pipe')
    return data.parent / 'a-pipe'


def loop_as_root(data: Path) -> Path:
    (data.parent / 'a-loop').symlink_to('a-loop')
    return data.parent / 'a-loop'


def flat(data: Path) -> Path:
    """Classes without splits."""
    return data / 'train'


ROOTS: list[Case] = [
    ('root-not-there', instead('nowhere'), ('nowhere', ), REFUSED),
    ('root-is-a-file', no_folder, ('a-file', ), REFUSED),
    ('root-is-a-pipe', pipe_as_root, ('a-pipe', ), REFUSED),
    ('root-is-a-link-to-itself', loop_as_root, ('a-loop', ), REFUSED),
]
