"""Where a run logs to beside its work dir."""
import importlib.util
import os
from collections.abc import Sequence

from mmengine.config import Config

from ..errors import InputError

# Name -> mmengine's backend, the package that it needs.
VIS_BACKENDS = {'tensorboard': ('TensorboardVisBackend', 'tensorboard'), 'wandb': ('WandbVisBackend', 'wandb')}


def add_vis_backends(cfg: Config, names: Sequence[str]) -> None:
    """Add backends to ``visualizer.vis_backends``; in Weights & Biases a run has the name of its work dir.

    Raises:
        ValueError: a package that is not installed, or no account to log to.
    """
    for name in names:
        kind, package = VIS_BACKENDS[name]
        if importlib.util.find_spec(package) is None:
            raise InputError(f'--vis {name} needs a package that is not installed: pip install {package}')
        backend: dict = dict(type=kind)
        if name == 'wandb':
            _check_wandb()
            backend['init_kwargs'] = dict(project='mae_mm', name=os.path.basename(os.path.normpath(cfg.work_dir)))
        cfg.visualizer.vis_backends.append(backend)


def _check_wandb() -> None:
    import wandb
    if os.environ.get('WANDB_MODE') not in ('offline', 'disabled') and wandb.api.api_key is None:
        raise InputError('--vis wandb: you are not logged in; run `wandb login`, or set WANDB_MODE=offline')
