"""Finding the checkpoint to go on from: the last one that is whole."""
import glob
import logging
import os
import re
from collections.abc import Sequence
from typing import Any

from mmengine.logging import print_log

from ..checkpoint.reading import read_checkpoint
from ..errors import InputError

LAST = 'last_checkpoint'  # a note in the work dir, with the path of the newest
NAME = re.compile(r'(iter|epoch)_(\d+)\.pth')
# What resuming needs -> the type that it must have.
NEEDED = {'meta': dict, 'message_hub': dict, 'optimizer': dict}


def checkpoints_in(work_dir: str) -> list[str]:
    """The checkpoints of runs in a work dir (``iter_100.pth``, ``epoch_3.pth``), in no order."""
    paths = glob.glob(os.path.join(glob.escape(work_dir), '*.pth'))
    return [path for path in paths if NAME.fullmatch(os.path.basename(path))]


def places_of(paths: Sequence[str]) -> list[int]:
    """How far the run of each checkpoint was, in one unit; -1 for one that cannot be read."""
    names = [NAME.fullmatch(os.path.basename(path)) for path in paths]
    if all(names) and len({name[1] for name in names if name}) == 1:
        return [int(name[2]) for name in names if name]
    return [_iteration_of(path) for path in paths]  # epochs beside iterations, or a file that was renamed


def latest_checkpoint(work_dir: str) -> str:
    """The newest checkpoint of a work dir (which may have been moved since) that a run can go on from.

    Damaged ones are named and passed over.

    Raises:
        ValueError: there is none.
    """
    found, noted, problem = checkpoints_in(work_dir), _noted(work_dir), None
    # The farthest, which a run that was killed may not have noted yet.
    places = zip(places_of(found), [path == noted for path in found], found, strict=True)
    order = [path for *_, path in sorted(places, reverse=True)]
    for path in ([noted] if noted and noted not in found else []) + order:
        problem = problem_of(path)
        if problem is None:
            return path
        print_log(f'{problem}; it is passed over', level=logging.WARNING)
    if problem:
        raise InputError(f'{work_dir} holds no checkpoint that can be resumed from; of the oldest: {problem}')
    raise InputError(f'{work_dir} holds no checkpoint to resume from; train without --resume')


def _noted(work_dir: str) -> str | None:
    try:
        with open(os.path.join(work_dir, LAST)) as file:
            path = os.path.join(work_dir, os.path.basename(file.read(4096).strip()))
    except (OSError, UnicodeDecodeError):
        return None
    return path if '\0' not in path and os.path.isfile(path) else None


def _iteration_of(path: str) -> int:
    try:
        return int(read_checkpoint(path)['meta']['iter'])
    except (InputError, KeyError, TypeError, ValueError):
        return -1


def problem_of(path: str) -> str | None:
    """Why a run cannot go on from a file; None if it can."""
    try:
        checkpoint = read_checkpoint(path)
    except InputError as error:
        return str(error)
    return incomplete(checkpoint, path)


def incomplete(checkpoint: Any, path: str) -> str | None:
    """What a readable checkpoint lacks to be resumed from, or has of another type."""
    if not isinstance(checkpoint, dict):
        return f'{path} cannot be resumed from, it is no checkpoint of a run'
    lacking = [key for key in NEEDED if key not in checkpoint]
    if lacking:
        return (f'{path} cannot be resumed from, it holds no {", ".join(lacking)}; to start from its weights use '
                f'--cfg-options load_from={path}')
    wrong = [key for key, kind in NEEDED.items() if not isinstance(checkpoint[key], kind)]
    wrong += [f'meta.{key}' for key in ('epoch', 'iter') if 'meta' not in wrong
              and not _is_count(checkpoint['meta'].get(key))]
    wrong += [f'message_hub.{key}' for key in ('log_scalars', 'runtime_info', 'resumed_keys')
              if 'message_hub' not in wrong and not isinstance(checkpoint['message_hub'].get(key), dict)]
    wrong += [f'optimizer.{key}' for key, kind in (('state', dict), ('param_groups', list))
              if 'optimizer' not in wrong and not isinstance(checkpoint['optimizer'].get(key), kind)]
    schedulers = checkpoint.get('param_schedulers', [])
    if not isinstance(schedulers, (list, dict)):
        wrong.append('param_schedulers')
    return f'{path} cannot be resumed from, its {", ".join(wrong)} are damaged' if wrong else None


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def last_of_run(runner: Any) -> str | None:
    """The checkpoint that a run wrote last, or the one that it was resumed from, if any is there."""
    found = runner.message_hub.runtime_info.get('last_ckpt') or (runner._load_from if runner._resume else None)
    return found if found and os.path.isfile(found) else None
