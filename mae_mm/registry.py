"""The registries of scope 'mae_mm': children of mmengine's, so that a host's config can name ours.

A config keeps its host's ``default_scope`` and writes ``type='mae_mm.MAE'``.
"""
from .dependencies import import_required

import_required()

from mmengine import registry as root  # noqa: E402

MODELS = root.Registry('model', parent=root.MODELS, scope='mae_mm', locations=['mae_mm.models'])
TRANSFORMS = root.Registry('transform', parent=root.TRANSFORMS, scope='mae_mm', locations=['mae_mm.datasets'])
DATASETS = root.Registry('dataset', parent=root.DATASETS, scope='mae_mm', locations=['mae_mm.datasets'])
DATA_SAMPLERS = root.Registry(
    'data sampler', parent=root.DATA_SAMPLERS, scope='mae_mm', locations=['mae_mm.datasets'])
HOOKS = root.Registry(
    'hook', parent=root.HOOKS, scope='mae_mm', locations=['mae_mm.engine', 'mae_mm.visualization'])
LOOPS = root.Registry('loop', parent=root.LOOPS, scope='mae_mm', locations=['mae_mm.engine'])
RUNNERS = root.Registry('runner', parent=root.RUNNERS, scope='mae_mm', locations=['mae_mm.engine'])
METRICS = root.Registry('metric', parent=root.METRICS, scope='mae_mm', locations=['mae_mm.evaluation'])
OPTIM_WRAPPER_CONSTRUCTORS = root.Registry(
    'optimizer wrapper constructor', parent=root.OPTIM_WRAPPER_CONSTRUCTORS, scope='mae_mm',
    locations=['mae_mm.engine'])
PARAM_SCHEDULERS = root.Registry(
    'parameter scheduler', parent=root.PARAM_SCHEDULERS, scope='mae_mm', locations=['mae_mm.engine'])
