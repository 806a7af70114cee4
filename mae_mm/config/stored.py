"""The config inside a checkpoint: parsed as data, never run, and of known parts only."""
import ast
import inspect
from collections.abc import Collection, Iterator
from typing import Any

from mmengine import registry
from mmengine.config import Config

from ..checkpoint.reading import meta_of
from ..errors import InputError

# What inference reads of a config.
READ = ('model', 'default_scope', 'test_dataloader', 'statistics', 'picture_bands')
SCOPES = ('mae_mm', 'mmseg', 'mmpretrain', 'mmengine', 'mmcv')
REGISTRIES = (registry.MODELS, registry.TRANSFORMS, registry.DATASETS)
LONGEST = 1_000_000  # characters
# Of training, or of files and weights from elsewhere: the weights come from the checkpoint itself.
LEFT_OUT = ('init_cfg', 'pretrained', 'checkpoint', 'train_cfg', 'batch_augments', 'backend_args', 'file_client_args')
OF_THE_NETWORK = ('HuggingFace', 'TIMM')  # classes that download as they are built


def stored_config(checkpoint: Any, source: str) -> Config:
    """What a checkpoint's config says of the model and of the images that it is tested on.

    Args:
        source: where the checkpoint comes from, for the messages.

    Raises:
        ValueError: there is no config, or one that names anything but known parts of models and pipelines.
    """
    text = meta_of(checkpoint).get('cfg')
    if not isinstance(text, str) or not text.strip():
        raise InputError(f'{source} holds no config; give the config of its model before it')
    told = parsed(text, source, READ)
    loader = told.get('test_dataloader')
    dataset = loader.get('dataset') if isinstance(loader, dict) else None
    if not isinstance(told.get('model'), dict) or not isinstance(dataset, dict) or not isinstance(
            dataset.get('pipeline'), list):
        raise InputError(f'{source}: its config names no model with a test pipeline; give the config before it')
    told['test_dataloader'] = dict(dataset={key: dataset[key] for key in ('type', 'metainfo', 'pipeline')
                                            if key in dataset})
    told['default_scope'] = told.get('default_scope') or 'mmengine'
    if told['default_scope'] not in SCOPES:
        raise InputError(f'{source}: its config has the scope {told["default_scope"]!r}, which is not known here; '
                         'give the config before it, if you trust it')
    for section in _sections(told):
        for key in LEFT_OUT:
            section.pop(key, None)
    for section in _sections(told):
        _check_types(section, source)
    return Config(told)


def parsed(text: str, source: str, names: Collection[str] | None = None) -> dict[str, Any]:
    """A config as mmengine writes it, or some names of it: assignments of literals and ``dict(...)`` alone.

    Raises:
        ValueError: anything else in it.
    """
    try:
        if len(text) > LONGEST:
            raise ValueError('it is too long')
        nodes = [_assignment(node) for node in ast.parse(text).body]
        return {name: _value(value) for name, value in nodes if names is None or name in names}
    except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError) as error:
        raise InputError(f'{source}: its config is not plain data ({str(error) or type(error).__name__}); give the '
                         'config before it') from None


def _assignment(node: ast.stmt) -> tuple[str, ast.expr]:
    if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
        return node.targets[0].id, node.value
    raise ValueError(f'a statement in line {node.lineno}')


def _value(node: ast.expr) -> Any:
    if isinstance(node, ast.Call):
        keys = node.args[0] if len(node.args) == 1 and not node.keywords else None  # some of which are no names
        if not isinstance(node.func, ast.Name) or node.func.id != 'dict' or node.args and not isinstance(
                keys, ast.Dict):
            raise ValueError(f'a call in line {node.lineno}')
        if keys is not None:
            return _value(keys)
        return {keyword.arg: _value(keyword.value) for keyword in node.keywords if _is_named(keyword)}
    if isinstance(node, ast.Dict):
        if None in node.keys:
            raise ValueError(f'** in line {node.lineno}')
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


def _check_types(section: dict, source: str) -> None:
    """Registries import what looks like a path in a module: only names that are registered pass.

    Some transforms have such names under other keys, such as ``resize_type``.
    """
    for key, value in section.items():
        wrong = (key == 'type' and not _registered(value) or key == '_scope_' and value not in SCOPES
                 or isinstance(value, str) and ('://' in value or (
                     str(key).endswith('type') and '.' in value and not _registered(value))))
        if wrong:
            raise InputError(f'{source}: its config asks for {key}={value!r}, which is not a known part of a model or '
                             'a pipeline; give the config before it, if you trust it')


def _registered(name: Any) -> bool:
    """Whether it is ``'Name'`` or ``'scope.Name'`` of a registered class, without one that downloads."""
    if not isinstance(name, str):
        return False
    scope, _, bare = name.rpartition('.')
    if scope not in (*SCOPES, '') or bare.startswith(OF_THE_NETWORK):
        return False
    for root in REGISTRIES:
        owners = [root, *(child for name, child in root.children.items() if scope in ('', name))]
        for owner in owners:
            owner.import_from_location()
            if inspect.isclass(owner.module_dict.get(bare)):
                return True
    return False
