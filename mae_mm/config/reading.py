"""Reading a config: what it says wrong is told before anything is built or written."""
import difflib
import functools
import inspect
import os
from collections.abc import Callable, Iterator
from typing import Any

from mmengine.config import Config, ConfigDict
from mmengine.runner import Runner
from mmengine.utils import import_modules_from_strings

from ..errors import InputError
from .bands import settle_bands
from .inheritance import Program, check_names, inherited_settings
from .keys import check_keys
from .names import find_config
from .sections import check_sections
from .settings import check_effect, evaluate, typed
from .values import check_values

LOADERS = ('train_dataloader', 'val_dataloader', 'test_dataloader')
# What a runner reads at the top level of a config. Other names there are the config's own variables.
RUNNER_KEYS = {name for name in inspect.signature(Runner.__init__).parameters if name not in ('self', 'cfg')} | {
    'model_wrapper_cfg', 'find_unused_parameters', 'sync_bn', 'test_pipeline', 'tta_pipeline', 'tta_model',
    'custom_imports', 'data_root', 'accumulate', 'compile', 'strategy', 'activation_checkpointing',
    'efficient_conv_bn_eval', 'statistics', 'bands', 'picture_bands'}
MMENGINES = ('runtime_info', 'timer', 'sampler_seed', 'logger', 'param_scheduler', 'checkpoint')  # default hooks
VARIABLES = {'data_root', 'test_pipeline'}  # of those, the ones that a config computes others from


def read_config(path: str, options: dict[str, Any] | None = None, work_dir: str | None = None,
                overlay: str | None = None) -> Config:
    """A config (:func:`find_config`), another one over it, the command line's changes, and its work dir.

    An option that names a variable of the config takes effect wherever the config uses it; ``data_root`` reaches
    every data set.

    Raises:
        ValueError: a file that cannot be read, a key that nothing would read, or a setting without effect.
    """
    path = find_config(path)
    options = options or {}
    if 'launcher' in options:
        raise InputError('--cfg-options launcher: --launcher gives it, as the scripts dist_*.sh and slurm_*.sh do')
    cfg = _evaluated(path, {})
    known = RUNNER_KEYS | set(cfg)
    for key in options:
        top = key.split('.')[0]
        if top not in known:
            raise InputError(f'--cfg-options {key}: the config has no {top!r}{_suggestion(top, known)}')
    options = typed(options, cfg)
    variables = {key: value for key, value in options.items() if key.split('.')[0] not in RUNNER_KEYS - VARIABLES}
    if variables:
        cfg = _evaluated(path, variables, _told(path, variables))
        check_effect(path, variables, cfg, RUNNER_KEYS - VARIABLES, functools.partial(_evaluated, path))
    if overlay:
        cfg.merge_from_dict(_evaluated(overlay, {})._cfg_dict.to_dict())
    try:
        cfg.merge_from_dict({key: value for key, value in options.items() if key not in variables})
    except (KeyError, TypeError, IndexError, AttributeError) as error:
        raise InputError(f'--cfg-options: {error}') from error
    check_sections(cfg)
    if any(key.split('.')[0] == 'custom_imports' for key in options):
        _import(cfg.custom_imports)
    check_keys(cfg)
    check_values(cfg)
    if 'data_root' in options:
        for name, dataset in datasets_of(cfg):
            if f'{name}.dataset.data_root' not in options:
                dataset.data_root = cfg.data_root
    hooks = cfg.get('default_hooks') or {}
    for name in [name for name, hook in hooks.items() if hook is None and name not in MMENGINES]:
        del hooks[name]  # mmengine takes None for its own alone
    loaders: list[Any] = [cfg.get(name) for name in LOADERS if cfg.get(name)]
    for loader in loaders:
        if loader.get('num_workers') == 0:  # PyTorch refuses what is for workers
            loader.persistent_workers = False
            loader.pop('prefetch_factor', None)
    _accumulate(cfg, path)
    settle_bands(cfg)
    name = os.path.splitext(os.path.basename(path))[0]
    cfg.work_dir = work_dir or cfg.get('work_dir') or os.path.join('work_dirs', name)
    return cfg


def _import(custom_imports: Any) -> None:
    try:
        import_modules_from_strings(**custom_imports)
    except (ImportError, TypeError) as error:
        raise InputError(f'custom_imports={custom_imports}: {error}') from error


def _told(path: str, variables: dict[str, Any]) -> Callable[[], str]:
    """What to call a config that cannot be read with these variables: by the first one that is wrong."""

    def told() -> str:
        for name, value in variables.items():
            try:
                _evaluated(path, {name: value})
            except InputError:
                return f'--cfg-options {name}={value}: with it {path}'
        return f'--cfg-options {" ".join(f"{name}={value}" for name, value in variables.items())}: with them {path}'
    return told


def _evaluated(path: str, variables: dict[str, Any], told: Callable[[], str] | None = None) -> Config:
    try:
        program = Program(path)
        check_names(program, RUNNER_KEYS)
        return evaluate(path, {**inherited_settings(program, RUNNER_KEYS - VARIABLES), **variables})
    except InputError:
        raise
    except ImportError as error:
        if 'custom modules' not in str(error):
            raise InputError(f'{path} cannot be read as a config: {type(error).__name__}: {error}') from error
        raise InputError(f'{path}: custom_imports: {error.__cause__ or error}; modules of your own are found where '
                         'PYTHONPATH says, as in PYTHONPATH=. mae-mm ...') from error
    except (Exception, SystemExit) as error:  # a config is a program: anything can be wrong with it
        raise InputError(f'{told() if told else path} cannot be read as a config: {type(error).__name__}: '
                         f'{error}') from error


def datasets_of(cfg: Config) -> Iterator[tuple[str, ConfigDict]]:
    """``(name of the loader, config of its data set)`` for each loader that the config has."""
    for name in LOADERS:
        loader = cfg.get(name)
        if loader and loader.get('dataset'):
            yield name, loader.dataset


def steps_of(pipeline: Any) -> Iterator[ConfigDict]:
    """The transforms of a pipeline and of those inside it."""
    for step in pipeline or ():
        if isinstance(step, (list, tuple)):
            yield from steps_of(step)
        elif isinstance(step, dict):
            yield step
            yield from steps_of(step.get('transforms'))


def _accumulate(cfg: Config, path: str) -> None:
    """``accumulate=n`` splits every batch into n whose gradients are added up: less memory, the same steps."""
    parts = cfg.get('accumulate', 1)
    if parts == 1:
        return
    loop = cfg.get('train_cfg') or {}
    by_epoch = 'max_epochs' in loop
    if not by_epoch and loop.get('type') != 'mae_mm.IterBasedTrainLoop':
        raise InputError(f'{path}: accumulate needs train_cfg.type=mae_mm.IterBasedTrainLoop, or epochs')
    batch_size = cfg.train_dataloader.batch_size
    if parts < 1 or batch_size % parts:
        raise InputError(f'accumulate={parts} does not divide train_dataloader.batch_size={batch_size}')
    cfg.train_dataloader.batch_size = batch_size // parts
    cfg.optim_wrapper.accumulative_counts = parts
    if not by_epoch:
        cfg.train_cfg.accumulate = parts


def _suggestion(key: str, known: Any) -> str:
    near = difflib.get_close_matches(key, known, n=1)
    return f'; is it {near[0]!r}?' if near else ''
