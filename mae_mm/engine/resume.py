"""Finding the checkpoint to go on from: the last one that is whole."""
import glob
import logging
import os
import re
from collections.abc import Sequence
from typing import Any

from mmengine.logging import HistoryBuffer, print_log
from torch import Tensor

from ..checkpoint.reading import meta_of, read_checkpoint
from ..errors import InputError

LAST = 'last_checkpoint'  # a note in the work dir, with the path of the newest
NAME = re.compile(r'(iter|epoch)_(\d+)\.pth')
LIKE_WEIGHTS = ('exp_avg', 'exp_avg_sq', 'momentum_buffer')  # in an optimizer's state: of the shape of a weight
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
        print_log(f'{problem}; it is skipped', level=logging.WARNING)
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
        return int(meta_of(read_checkpoint(path))['iter'])
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
    for key, of_section in (('meta', _wrong_in_meta), ('message_hub', _wrong_in_hub)):
        wrong += [f'{key}.{inner}' for inner in (of_section(checkpoint[key]) if key not in wrong else ())]
    if 'optimizer' not in wrong:
        weights = checkpoint.get('state_dict')
        wrong += [f'optimizer.{inner}' for inner in _wrong_in_optimizer(checkpoint['optimizer'], weights)]
    schedulers = checkpoint.get('param_schedulers', [])
    each = schedulers.values() if isinstance(schedulers, dict) else [schedulers]
    if not all(isinstance(states, list) and all(isinstance(state, dict) and 'last_step' in state for state in states)
               for states in each):
        wrong.append('param_schedulers')
    return f'{path} cannot be resumed from, its {", ".join(wrong)} are damaged' if wrong else None


def _wrong_in_meta(meta: dict) -> list[str]:
    wrong = [key for key in ('epoch', 'iter') if not _is_count(meta.get(key))]
    last = meta.get('max_iters')
    return wrong or ['iter'] * (_is_count(last) and meta['iter'] > last)


def _wrong_in_hub(hub: dict) -> list[str]:
    wrong = [key for key in ('log_scalars', 'runtime_info', 'resumed_keys') if not isinstance(hub.get(key), dict)]
    if 'log_scalars' not in wrong and not all(isinstance(values, (dict, HistoryBuffer))
                                              for values in hub['log_scalars'].values()):
        wrong.append('log_scalars')
    return wrong


def _wrong_in_optimizer(optimizer: dict, weights: Any) -> list[str]:
    """What an optimizer's state has of other types, or in shapes that no weight has."""
    state: Any = optimizer.get('state')
    groups: Any = optimizer.get('param_groups')
    wrong = [key for key, value, kind in (('state', state, dict), ('param_groups', groups, list))
             if not isinstance(value, kind)]
    if wrong:
        return wrong
    if not groups or not all(isinstance(group, dict) and isinstance(group.get('params'), list) for group in groups):
        return ['param_groups']
    shapes = {value.shape for value in weights.values() if isinstance(value, Tensor)} if isinstance(
        weights, dict) else set()
    fits = all(isinstance(values, dict) and all(
        values[key].shape in shapes for key in LIKE_WEIGHTS if isinstance(values.get(key), Tensor))
               for values in state.values())
    return [] if fits else ['state']


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def last_of_run(runner: Any) -> str | None:
    """The checkpoint that a run wrote last, or the one that it was resumed from, if any is there."""
    found = runner.message_hub.runtime_info.get('last_ckpt') or (runner._load_from if runner._resume else None)
    return found if found and os.path.isfile(found) else None
