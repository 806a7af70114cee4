"""Masked autoencoders for OpenMMLab 2.x, from pre-training to a segmentation mIoU.

Whatever a config names in scope ``mae_mm`` is found once this is imported. The rooms are imported when they are first
asked for: ``mae-mm --help`` answers without torch.
"""
import importlib
from typing import TYPE_CHECKING, Any

from .errors import InputError
from .hub import register_with_mmengine
from .version import __version__

register_with_mmengine()

if TYPE_CHECKING:
    from . import apis, checkpoint, cli, config, datasets, engine, evaluation, models, visualization
    from .engine import ProbeHook
    from .models import MAE, Distiller, LinearHead, MAEDecoder, MaskedAutoencoder, MaskHead

ROOMS = ('apis', 'checkpoint', 'cli', 'config', 'datasets', 'engine', 'evaluation', 'models', 'visualization')
# Name -> where it is.
PUBLIC = {'MAE': 'models', 'Distiller': 'models', 'LinearHead': 'models', 'MAEDecoder': 'models',
          'MaskedAutoencoder': 'models', 'MaskHead': 'models', 'ProbeHook': 'engine', 'load': 'apis.models'}

__all__ = [
    'MAE', 'Distiller', 'InputError', 'LinearHead', 'MAEDecoder', 'MaskHead', 'MaskedAutoencoder', 'ProbeHook',
    '__version__', 'apis', 'checkpoint', 'cli', 'config', 'datasets', 'engine', 'evaluation', 'load', 'models',
    'visualization'
]


def __getattr__(name: str) -> Any:
    if name in ROOMS:
        return importlib.import_module(f'.{name}', __name__)
    if name in PUBLIC:
        return getattr(importlib.import_module(f'.{PUBLIC[name]}', __name__), name)
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')


def __dir__() -> list[str]:
    return __all__
