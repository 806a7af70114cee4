"""Keys of a config that nobody would read: refused by their names.

What is built from a registry refuses an argument that it does not have. Here are the sections that are read by key,
whose unknown ones would be passed over in silence, and the classes that take any argument.
"""
import difflib
import inspect
import re
from collections.abc import Iterator
from typing import Any

from mmengine import registry
from mmengine.config import Config

from ..errors import InputError

# Pattern of a section's path -> the keys that are read there.
SECTIONS: dict[str, set[str]] = {
    r'custom_imports': {'imports', 'allow_failed_imports'},
    r'randomness': {'seed', 'diff_rank_seed', 'deterministic'},
    r'env_cfg': {'cudnn_benchmark', 'mp_cfg', 'dist_cfg', 'resource_limit'},
    r'env_cfg\.mp_cfg': {'mp_start_method', 'opencv_num_threads'},
    r'env_cfg\.dist_cfg': {'backend', 'timeout', 'init_backend'},
    r'compile': {'mode', 'dynamic', 'fullgraph', 'backend', 'options'},
    r'auto_scale_lr': {'enable', 'base_batch_size'},
    r'optim_wrapper\.clip_grad': {'type', 'max_norm', 'norm_type', 'error_if_nonfinite', 'foreach', 'clip_value'},
    r'model\.train_cfg': {'augments', 'probs'},
    r'model(\.module)?\.test_cfg': {'mode', 'crop_size', 'stride', 'window_batch', 'logits_dtype'},
    r'.*data_preprocessor\.test_cfg': {'size', 'size_divisor'},
    r'.*_dataloader\.dataset\.metainfo': {'classes', 'palette', 'class_ids', 'label_map', 'reduce_zero_label',
                                          'dataset_type', 'task_name', 'label_palette'},
    r'.*\.hparams': {'pad_val', 'interpolation'},  # of RandAugment, for those of its transforms that know them
}
_DECAYS = {'custom_keys', 'bias_decay_mult', 'norm_decay_mult', 'flat_decay_mult'}
# Constructor of the optimizer's groups -> what it reads of paramwise_cfg.
PARAMWISE = {
    'mae_mm.LayerDecayConstructor': _DECAYS | {'layer_decay_rate'},
    'LearningRateDecayOptimWrapperConstructor': _DECAYS | {'layer_decay_rate'},
    'LearningRateDecayOptimizerConstructor': {'num_layers', 'decay_rate', 'decay_type'},
    'DefaultOptimWrapperConstructor': _DECAYS | {'bias_lr_mult', 'dwconv_decay_mult', 'dcn_offset_lr_mult',
                                                 'bypass_duplicate'},
}
# Pattern of a path -> the registry of what is built there, of classes that may pass over unknown arguments.
BUILT = {
    r'(default_hooks\.\w+|custom_hooks\.\d+)': registry.HOOKS,
    r'(val|test)_evaluator(\.\d+)?': registry.METRICS,
    r'(train|val|test)_cfg': registry.LOOPS,
    r'optim_wrapper\.optimizer': registry.OPTIMIZERS,
    r'visualizer': registry.VISUALIZERS,
    r'visualizer\.vis_backends\.\d+': registry.VISBACKENDS,
    r'.*_dataloader\.collate_fn': registry.FUNCTIONS,
    r'log_processor': registry.LOG_PROCESSORS,
    r'model\..*init_cfg(\.\d+)?': registry.WEIGHT_INITIALIZERS,
}
DEFAULTS = {'log_processor': 'LogProcessor', 'visualizer': 'Visualizer'}  # where a config says no type
OURS_TO_GIVE = {'type', '_scope_', 'priority'}  # that registries read, and not what they build
EMA = 'ExponentialMovingAverage'  # what EMAHook makes by itself
MODELS = r'(mae_mm\.)?(EncoderDecoder|MaskedAutoencoder)|ImageClassifier'  # whose train_cfg and test_cfg are known


def check_keys(cfg: Config) -> None:
    """Look at every section of a config that no registry looks at.

    Raises:
        ValueError: with the path of a key that nothing reads, and the nearest one that something does.
    """
    scope = cfg.get('default_scope') or 'mmengine'
    model = (cfg.get('model') or {}).get('module') or cfg.get('model') or {}
    ours = isinstance(model.get('type'), str) and re.fullmatch(MODELS, model['type'])
    for path, section in _sections(cfg._cfg_dict, ''):
        if not ours and re.fullmatch(r'model\.(module\.)?(train|test)_cfg', path):
            continue
        known = _known(path, section, scope)
        if known is not None:
            _refuse_others(path, section, known)
    _check_paramwise(cfg, scope)


def _sections(node: Any, path: str) -> Iterator[tuple[str, dict]]:
    if isinstance(node, dict):
        if path:
            yield path, node
        for key, value in node.items():
            yield from _sections(value, f'{path}.{key}'.lstrip('.'))
    elif isinstance(node, (list, tuple)):
        for i, value in enumerate(node):
            yield from _sections(value, f'{path}.{i}')


def _refuse_others(path: str, section: dict, known: set[str]) -> None:
    for key in section:
        if key not in known:
            near = difflib.get_close_matches(str(key), known, n=1)
            raise InputError(f'{path}.{key}: nothing reads this setting; ' + (
                f'is it {near[0]!r}?' if near else f'there are {", ".join(sorted(known - OURS_TO_GIVE))}'))


def _found(of_kind: Any, name: Any, scope: str) -> Any:
    """What a registry has under a name; None if it does not: that is told when it is built."""
    if not isinstance(name, str) or not name:
        return None
    try:
        found = of_kind.get(name)
        if found is None:
            with of_kind.switch_scope_and_registry(scope) as registered:
                found = registered.get(name)
        return found
    except (ImportError, RuntimeError):
        return None


def _known(path: str, section: dict, scope: str) -> set[str] | None:
    for pattern, keys in SECTIONS.items():
        if re.fullmatch(pattern, path):
            return keys
    for pattern, of_kind in BUILT.items():
        if re.fullmatch(pattern, path):
            kind = _found(of_kind, section.get('type', DEFAULTS.get(path)), scope)
            if kind is None and of_kind is registry.FUNCTIONS:  # mmengine does not tell
                raise InputError(f'{path}.type: there is no function {section.get("type")!r}')
            names = None if kind is None else arguments_of(kind)
            if names and 'optimizer_type' in names:  # of ZeroRedundancyOptimizer, which hands it the rest
                names |= arguments_of(_found(of_kind, section.get('optimizer_type'), scope)) or set()
            if names and 'ema_type' in names:  # of EMAHook, which hands the rest to the model that it makes
                names |= arguments_of(_found(registry.MODELS, section.get('ema_type', EMA), scope)) or set()
            return None if names is None else names | OURS_TO_GIVE
    return None


def arguments_of(kind: Any) -> set[str] | None:
    """The arguments that a class and those it hands the rest to have; None if anything goes, or if there is none."""
    names: set[str] = set()
    if kind is None:
        return None
    owners = [vars(owner).get('__init__') for owner in inspect.getmro(kind)] if inspect.isclass(kind) else [kind]
    for owner in owners:
        if owner is None or owner is object.__init__:
            continue
        parameters = inspect.signature(owner).parameters.values()
        names |= {parameter.name for parameter in parameters if parameter.kind not in (
            parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL)}
        if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
            return names - {'self'}
    return names - {'self'} if inspect.isclass(kind) else None


def _check_paramwise(cfg: Config, scope: str) -> None:
    wrapper = cfg.get('optim_wrapper') or {}
    constructor = wrapper.get('constructor', 'DefaultOptimWrapperConstructor')
    paramwise = wrapper.get('paramwise_cfg') or {}
    if constructor in PARAMWISE:
        _refuse_others('optim_wrapper.paramwise_cfg', paramwise, PARAMWISE[constructor])
    # What constructors read, and what they hand on to the optimizer's groups.
    known = {'decay_mult', 'lars_exclude'} | ({'lr_mult'} if 'LayerDecay' not in constructor else set())
    section = wrapper.get('optimizer') or {}
    optimizer = _found(registry.OPTIMIZERS, section.get('optimizer_type', section.get('type')), scope)
    known |= (arguments_of(optimizer) or set()) - {'params', 'lr'} if optimizer else set()
    for name, settings in (paramwise.get('custom_keys') or {}).items():
        _refuse_others(f'optim_wrapper.paramwise_cfg.custom_keys.{name}', settings, known)
