"""What a run that goes on says otherwise than the run that it goes on with."""
import re
from collections.abc import Iterator
from typing import Any

from mmengine.config import Config

from ..checkpoint.reading import meta_of, read_checkpoint
from ..errors import InputError
from .stored import parsed

# Sections that a resumed run takes from the checkpoint, so that other values in the config would change nothing.
FROM_CHECKPOINT = r'optim_wrapper\.(optimizer|paramwise_cfg|constructor)(\..+)?|param_scheduler(\..+)?'
WEIGHTS = r'model\.(?!(module\.)?(test_cfg|train_cfg|data_preprocessor)\b).+'  # other ones need other weights
LEFT_OUT = r'(work_dir|load_from|resume|launcher|filename|model_wrapper_cfg|visualizer|custom_imports)(\..+)?'
TEACHER = r'model\.teacher\.init_cfg\.checkpoint'  # what is learned, and no start that the first run is past
# What fitting to a machine changes, and where weights come from at the start.
OF_MACHINES = (r'(.*\.)?(norm_cfg\.type|init_cfg(\..+)?|num_workers|persistent_workers|pin_memory)|'
               r'optim_wrapper\.(type|loss_scale|dtype|optimizer\.fused)')
READ_BY_RUNS = ('model', 'train_dataloader', 'val_dataloader', 'train_cfg', 'val_cfg', 'optim_wrapper',
                'auto_scale_lr', 'val_evaluator', 'default_hooks', 'custom_hooks', 'randomness', 'data_preprocessor')
SHOWN = 8


def check_resumed(cfg: Config, path: str) -> str | None:
    """Compare a config with that of the checkpoint that it goes on from; what differs, in a line for the log.

    Raises:
        ValueError: a difference that a resumed run cannot follow.
    """
    checkpoint = read_checkpoint(path)
    if cfg.get('param_scheduler') and meta_of(checkpoint) and not checkpoint.get('param_schedulers'):
        raise InputError(f'{path} cannot be resumed from, it holds no param_schedulers and the config has some; to '
                         f'start from its weights use --cfg-options load_from={path}')
    text = meta_of(checkpoint).get('cfg')
    if not isinstance(text, str):
        return None
    before, now = _settings(parsed(text, path)), _settings(cfg._cfg_dict.to_dict())
    changed = {key: (before.get(key), now.get(key)) for key in {**before, **now}
               if before.get(key) != now.get(key)
               and (re.fullmatch(TEACHER, key) or not re.fullmatch(f'{LEFT_OUT}|{OF_MACHINES}', key))}
    kinds = [value for key, value in now.items() if re.fullmatch(r'param_scheduler(\.\d+)?\.type', key)]
    length = r'train_cfg\.max_epochs' if 'mae_mm.WarmupCosineLR' in kinds else '(?!)'  # which ends with the run
    # The run's length first: what follows from it is not what a user has changed.
    for key, (old, new) in sorted(changed.items(), key=lambda item: not item[0].startswith('train_cfg.')):
        if re.fullmatch(f'{FROM_CHECKPOINT}|{WEIGHTS}|{length}', key):
            raise InputError(f'{key} was {old!r} in the run of {path} and is {new!r} now, which a resumed run cannot '
                             f'follow; leave it as it was, or start a new run from its weights: --cfg-options '
                             f'load_from={path}')
    read = {key: pair for key, pair in changed.items() if key.split('.')[0] in READ_BY_RUNS}
    if not read:
        return None
    lines = [f'{key}: {old!r} -> {new!r}' for key, (old, new) in sorted(read.items())[:SHOWN]]
    more = f'; and {len(read) - SHOWN} more' if len(read) > SHOWN else ''
    return f'This run differs from the one that it goes on with: {"; ".join(lines)}{more}'


def _settings(cfg: dict) -> dict[str, Any]:
    """Path -> value; an optimizer whose states processes share is the one that it shares."""
    settings = dict(_flat(cfg, ''))
    shared = settings.pop('optim_wrapper.optimizer.optimizer_type', None)
    return settings if shared is None else {**settings, 'optim_wrapper.optimizer.type': shared}


def _flat(node: Any, path: str) -> Iterator[tuple[str, Any]]:
    """``(path, value)`` of each setting; a tuple equals a list, as text does not always tell them apart."""
    if isinstance(node, dict) and node:
        for key, value in node.items():
            yield from _flat(value, f'{path}.{key}'.lstrip('.'))
    elif isinstance(node, (list, tuple)) and any(isinstance(value, (dict, list, tuple)) for value in node):
        for i, value in enumerate(node):
            yield from _flat(value, f'{path}.{i}')
    else:
        yield path, list(node) if isinstance(node, (list, tuple)) else node
