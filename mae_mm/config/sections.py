"""What the sections of a config must be: dicts, lists or names. Told before anything reads them."""
import logging
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from mmengine.config import Config
from mmengine.config.utils import MODULE2PACKAGE
from mmengine.registry import MODELS

from ..errors import InputError

TRAINING = ('model', 'train_dataloader', 'train_cfg', 'optim_wrapper')
TESTING = ('model', 'test_dataloader', 'test_cfg', 'test_evaluator')
# All of them, or none.
TOGETHER = (('train_dataloader', 'train_cfg', 'optim_wrapper'), ('val_dataloader', 'val_cfg', 'val_evaluator'),
            ('test_dataloader', 'test_cfg', 'test_evaluator'))
BUILT = 'dict(type=...)'


def _is_part(value: Any) -> bool:
    return isinstance(value, dict)


def _are_parts(value: Any) -> bool:
    return isinstance(value, dict) or isinstance(value, (list, tuple)) and all(
        isinstance(item, dict) or isinstance(item, (list, tuple)) and _are_parts(item) for item in value)


def _is_pipeline(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and len(value) > 0 and _are_parts(value)


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


def _is_scope(value: Any) -> bool:
    return isinstance(value, str) and (value in MODULE2PACKAGE or value in ('mmengine', *MODELS.children))


def _is_level(value: Any) -> bool:
    return isinstance(value, int) or isinstance(value, str) and isinstance(logging.getLevelName(value.upper()), int)


def _optional(check: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: value is None or check(value)


# Pattern of a section's path -> what it must be, and how that is said.
KINDS: dict[str, tuple[Callable[[Any], bool], str]] = {
    r'model(\.module)?(\.(backbone|decoder|decode_head))?': (_is_part, BUILT),
    r'model\.(head|neck|auxiliary_head|data_preprocessor)': (_optional(_are_parts), f'{BUILT} or None'),
    r'model\.(.+\.)?(loss|loss_decode)': (_are_parts, BUILT),
    r'model\.(.+\.)?(norm_cfg|act_cfg|train_cfg|test_cfg)': (_optional(_is_part), 'a dict or None'),
    r'model\.(.+\.)?init_cfg': (_optional(_are_parts), f'{BUILT} or None'),
    r'(train|val|test)_(dataloader|cfg)': (_optional(_is_part), 'a dict or None'),
    r'(train|val|test)_dataloader\.(dataset|sampler)': (_is_part, BUILT),
    r'(train|val|test)_dataloader\.(batch_sampler|collate_fn)': (_optional(_is_part), BUILT),
    r'(train|val|test)_dataloader\.dataset\.pipeline': (_is_pipeline, f'a list of {BUILT}'),
    r'(train|val|test)_dataloader\.dataset\.pipeline\..*\btransforms': (_is_pipeline, f'a list of {BUILT}'),
    r'(train|val|test)_dataloader\.dataset\.metainfo': (_optional(_is_part), 'a dict or None'),
    r'(val|test)_evaluator': (_optional(_are_parts), f'{BUILT} or a list of them'),
    r'optim_wrapper': (_optional(_is_part), BUILT), r'optim_wrapper\.optimizer': (_is_part, BUILT),
    r'optim_wrapper\.(paramwise_cfg|clip_grad)': (_optional(_is_part), 'a dict or None'),
    r'optim_wrapper\.paramwise_cfg\.custom_keys(\.[^.]+)?': (_optional(_is_part), 'a dict'),
    r'param_scheduler|custom_hooks': (_optional(_are_parts), f'a list of {BUILT}'),
    r'default_hooks': (_optional(_is_part), 'a dict'),
    r'default_hooks\.\w+': (_optional(_is_part), f'{BUILT} or None'),
    r'env_cfg(\.(mp_cfg|dist_cfg))?|randomness|custom_imports': (_is_part, 'a dict'),
    r'auto_scale_lr': (_optional(_is_part), 'a dict or None'),
    r'visualizer|log_processor': (_optional(_is_part), f'{BUILT} or None'),
    r'visualizer\.vis_backends': (_optional(_are_parts), f'a list of {BUILT}'),
    r'default_scope': (_optional(_is_scope), 'a package whose parts are registered, such as mmseg or mmpretrain'),
    r'log_level': (_is_level, 'a name such as INFO'),
    r'optim_wrapper\.constructor': (_is_text, 'the name of a class'),
    r'load_from|work_dir|data_root': (_optional(_is_text), "a path; one with a comma in quotes of its own, '\"a,b\"'"),
}


def check_sections(cfg: Config) -> None:
    """Compare the sections of a config with what they must be.

    Raises:
        ValueError: with the path of a section, its value, and what it must be.
    """
    if 'model' not in cfg:
        raise InputError('the config has no model; give a config that has one')
    for path, value in _nodes(cfg._cfg_dict, ''):
        for pattern, (check, said) in KINDS.items():
            if re.fullmatch(pattern, path) and not check(value):
                raise InputError(f'{path}={value!r} is not {said}')
        if isinstance(value, dict) and 'type' in value and _is_run(path) and not (
                _is_text(value['type']) or callable(value['type'])):
            raise InputError(f'{path}.type={value["type"]!r} is not the name of a class')


def check_needed(cfg: Config, names: Sequence[str]) -> None:
    """See that what a run needs is there.

    Raises:
        ValueError: with what is missing.
    """
    for name in names:
        if not cfg.get(name):
            raise InputError(f'{name} is {"None" if name in cfg else "missing"} in the config, and this needs it')
        if name.endswith('_dataloader') and not cfg[name].get('dataset'):
            raise InputError(f'{name}.dataset is missing in the config, and this needs it')
    for together in TOGETHER if 'train_cfg' in names or 'test_cfg' in names else ():
        without = [name for name in together if not cfg.get(name)]
        if 0 < len(without) < len(together):
            raise InputError(f'{" and ".join(without)}: None or missing; a config '
                             f'has all of {", ".join(together)}, or none of them')


def _is_run(path: str) -> bool:
    """Whether a run builds what is there; elsewhere are the config's own variables."""
    top = path.partition('.')[0]
    return top.endswith(('_dataloader', '_evaluator', '_cfg')) or top in (
        'model', 'optim_wrapper', 'param_scheduler', 'default_hooks', 'custom_hooks', 'visualizer', 'log_processor')


def _nodes(node: Any, path: str) -> Iterator[tuple[str, Any]]:
    """``(path, value)`` of every setting, outer ones first."""
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, (list, tuple)) else ()
    for key, value in items:
        inner = f'{path}.{key}'.lstrip('.')
        yield inner, value
        yield from _nodes(value, inner)
