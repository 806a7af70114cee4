"""The config inside a checkpoint: parsed as data, never run, and of known parts only."""
import ast
import re
from collections.abc import Iterator
from typing import Any

from mmengine import registry
from mmengine.config import Config

from ..errors import InputError

# What inference reads of a config.
READ = ('model', 'default_scope', 'test_dataloader', 'statistics', 'picture_bands')
SCOPES = ('mae_mm', 'mmseg', 'mmpretrain', 'mmengine', 'mmcv')
REGISTRIES = (registry.MODELS, registry.TRANSFORMS, registry.DATASETS)
LONGEST = 1_000_000  # characters


def stored_config(checkpoint: Any, source: str) -> Config:
    """What a checkpoint's config says of the model and of the images that it is tested on.

    Args:
        source: where the checkpoint comes from, for the messages.

    Raises:
        ValueError: there is no config, or one that names anything but known parts of models and pipelines.
    """
    meta = checkpoint.get('meta') if isinstance(checkpoint, dict) else None
    text = meta.get('cfg') if isinstance(meta, dict) else None
    if not isinstance(text, str) or not text.strip():
        raise InputError(f'{source} holds no config; give the config of its model before it')
    told = parsed(text, source)
    if not isinstance(told.get('model'), dict):
        raise InputError(f'{source}: its config names no model; give the config before it')
    dataset = (told.get('test_dataloader') or {}).get('dataset') or {}
    kept = {key: value for key, value in told.items() if key in READ}
    kept['test_dataloader'] = dict(dataset={key: dataset[key] for key in ('type', 'metainfo', 'pipeline')
                                            if key in dataset})
    kept['model'].pop('train_cfg', None)  # augmentations of batches
    for section in _sections(kept):
        for key in ('init_cfg', 'pretrained', 'backend_args', 'file_client_args'):
            section.pop(key, None)  # weights come from the file itself
        _check_type(section, source)
    if kept.get('default_scope') not in (*SCOPES, None):
        raise InputError(f'{source}: its config has the scope {kept["default_scope"]!r}, which is not known here')
    return Config(kept)


def parsed(text: str, source: str) -> dict[str, Any]:
    """The assignments of a config as mmengine writes it: literals and ``dict(...)`` alone.

    Raises:
        ValueError: anything else in it.
    """
    try:
        if len(text) > LONGEST:
            raise ValueError('it is too long')
        return {node.targets[0].id: _value(node.value) for node in ast.parse(text).body  # type: ignore
                if _is_assignment(node)}
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise InputError(f'{source}: its config is no plain data ({str(error) or type(error).__name__}); give the '
                         'config before it') from None


def _is_assignment(node: ast.stmt) -> bool:
    if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
        return True
    raise ValueError(f'a statement in line {node.lineno}')


def _value(node: ast.expr) -> Any:
    if isinstance(node, ast.Call):
        if not isinstance(node.func, ast.Name) or node.func.id != 'dict' or node.args:
            raise ValueError(f'a call in line {node.lineno}')
        return {keyword.arg: _value(keyword.value) for keyword in node.keywords if _is_named(keyword)}
    if isinstance(node, ast.Dict):
        return {_value(key): _value(value) for key, value in zip(node.keys, node.values, strict=True) if key}
    if isinstance(node, (ast.List, ast.Tuple)):
        items = [_value(item) for item in node.elts]
        return items if isinstance(node, ast.List) else tuple(items)
    return ast.literal_eval(node)


def _is_named(keyword: ast.keyword) -> bool:
    if keyword.arg is None:
        raise ValueError(f'** in line {keyword.value.lineno}')
    return True


def _sections(node: Any) -> Iterator[dict]:
    if isinstance(node, dict):
        yield node
        for value in node.values():
            yield from _sections(value)
    elif isinstance(node, (list, tuple)):
        for value in node:
            yield from _sections(value)


def _check_type(section: dict, source: str) -> None:
    """Registries import what looks like a path in a module: only names that are registered pass."""
    for key in ('type', '_scope_'):
        name = section.get(key)
        known = name in SCOPES if key == '_scope_' else isinstance(name, str) and _registered(name)
        if key in section and not known:
            raise InputError(f'{source}: its config asks for {name!r}, which is no known part of a model or a '
                             'pipeline; give the config before it, if you trust it')


def _registered(name: str) -> bool:
    scope, _, bare = name.rpartition('.')
    if scope not in (*SCOPES, '') or not re.fullmatch(r'\w+', bare):
        return False
    for root in REGISTRIES:
        owners = [root, *root.children.values()] if not scope else [root.children[scope]] if (
            scope in root.children) else [root]
        for owner in owners:
            owner.import_from_location()
            if bare in owner.module_dict:
                return True
    return False
