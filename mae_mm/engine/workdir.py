"""A work dir belongs to one run at a time, and a new run replaces nothing of an older one."""
import contextlib
import glob
import json
import logging
import os
import socket
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch.distributed
from filelock import FileLock, Timeout
from mmengine.logging import print_log

from ..checkpoint.download import HASH_SUFFIX
from ..checkpoint.writing import AtomicBackend
from ..errors import InputError
from .resume import LAST, checkpoints_in, places_of, problem_of

LOCK, OWNER = '.lock', '.running'


@contextlib.contextmanager
def claimed(work_dir: str, resumed: str | None = None, overwrite: bool = False,
            sources: Sequence[str] = ()) -> Iterator[list[str]]:
    """Keep a work dir to this process, the first of a run; other processes of the run do nothing here.

    Args:
        resumed: the checkpoint that the run goes on from; None for a new run.
        overwrite: the checkpoints that are in the way may be removed.
        sources: files that the run starts from.

    Yields:
        list: the checkpoints that are in the way, for :func:`remove` once the run is ready for its first step.

    Raises:
        ValueError: another run is going on there, or its checkpoints or this one's sources would be replaced.
    """
    problem, in_the_way = '', []
    lock = FileLock(os.path.join(work_dir, LOCK))
    owner = os.path.join(work_dir, OWNER)
    first = not int(os.environ.get('RANK', os.environ.get('SLURM_PROCID', 0)))
    try:
        try:
            in_the_way = _claim(work_dir, lock, owner, resumed, overwrite, sources) if first else []
        except InputError as error:
            problem = str(error)
        problem = _told_by_the_first(problem)
        if problem:
            raise InputError(problem)
        yield in_the_way
        if first:
            os.remove(owner)
    except (Exception, KeyboardInterrupt):  # told by whoever stops; a kill leaves the note behind
        if first and not problem:
            with contextlib.suppress(OSError):
                os.remove(owner)
        raise
    finally:
        lock.release()


def _told_by_the_first(problem: str) -> str:
    """What the first process says, so that the others do not wait for it in vain."""
    said = [problem]
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.broadcast_object_list(said, src=0)
    return said[0]


def _claim(work_dir: str, lock: FileLock, owner: str, resumed: str | None, overwrite: bool,
           sources: Sequence[str]) -> list[str]:
    try:
        os.makedirs(work_dir, exist_ok=True)
        lock.acquire(timeout=0)
    except Timeout:
        raise InputError(f'{work_dir} is in use by {_read(owner)}; wait for it, or give another --work-dir') from None
    except NotImplementedError:  # a file system without locks
        print_log(f'{work_dir}: its file system has no locks; take care that no other run writes there',
                  level=logging.WARNING)
    except OSError as error:
        raise InputError(f'{work_dir} cannot be written: {error.strerror}; give another --work-dir') from None
    in_the_way = _in_the_way(work_dir, resumed, overwrite, sources)
    if os.path.exists(owner):
        print_log(f'{work_dir}: the run of {_read(owner)} ended unexpectedly (killed, or the machine stopped)',
                  level=logging.WARNING)
    AtomicBackend().put(json.dumps(dict(
        pid=os.getpid(), host=socket.gethostname(), started=time.strftime('%Y-%m-%d %H:%M:%S'),
        command=sys.argv)).encode(), owner)
    return in_the_way


def _read(owner: str) -> str:
    try:
        with open(owner) as file:
            told = json.load(file)
        return f'process {told["pid"]} on {told["host"]}, started {told["started"]}'
    except (OSError, ValueError, KeyError, TypeError):
        return 'another process'


def _in_the_way(work_dir: str, resumed: str | None, overwrite: bool, sources: Sequence[str]) -> list[str]:
    """The checkpoints that a run would replace, but for damaged ones that a resumed run has passed over."""
    found = checkpoints_in(work_dir)
    if resumed is not None:
        *places, start = places_of([*found, resumed])
        found = [path for path, place in zip(found, places, strict=True) if place > start and not problem_of(path)]
    else:
        found += glob.glob(os.path.join(glob.escape(work_dir), 'best_*.pth'))
    if not found:
        return []
    names = ', '.join(os.path.basename(path) for path in sorted(found)[:3])
    if not overwrite and resumed is None:
        raise InputError(f'{work_dir} holds checkpoints of an earlier run ({names}): --resume goes on with it, '
                         'another --work-dir keeps it, and --overwrite removes them')
    if not overwrite:
        raise InputError(f'{work_dir} holds later checkpoints ({names}) than {resumed}, which this run would replace; '
                         'give another --work-dir, or --overwrite to remove them')
    for source in sources:
        if os.path.realpath(source) in map(os.path.realpath, found):
            raise InputError(f'this run starts from {source}, which --overwrite would remove; give another --work-dir')
    return found


def remove(checkpoints: Sequence[str]) -> None:
    """Remove checkpoints, the hashes beside them, and the note of the last one."""
    for path in checkpoints:
        for name in (path, path + HASH_SUFFIX, os.path.join(os.path.dirname(path), LAST)):
            with contextlib.suppress(FileNotFoundError):
                os.remove(name)
    if checkpoints:
        print_log(f'--overwrite: {len(checkpoints)} checkpoints of an earlier run removed', logger='current',
                  level=logging.WARNING)


def told_once(path: str) -> Callable[..., None]:
    """What to call in place of a stack trace where a log cannot be written: a line the first time, then nothing."""
    told: list[str] = []

    def tell(*_: Any) -> None:
        if not told:
            error = sys.exc_info()[1]
            told.append(str(error))
            reason = getattr(error, 'strerror', None) or error
            print_log(f'{path} cannot be written ({reason}); the run goes on without it', logger='current',
                      level=logging.WARNING)

    return tell


def forgiving(dump: Callable[..., None]) -> Callable[..., None]:
    """A function that writes scalars into a file; a disk that is full ends that file and not the run."""
    tell: Callable[..., None] | None = None

    def call(values: dict, path: str, file_format: str) -> None:
        nonlocal tell
        try:
            dump(values, path, file_format)
        except OSError:
            tell = tell or told_once(path)
            tell()

    return call
