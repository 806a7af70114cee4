"""Masked autoencoders for OpenMMLab 2.x, from pre-training to a segmentation mIoU.

Importing the package registers everything in it under the scope ``mae_mm``.
"""
from .dependencies import import_hosts
from .version import __version__

import_hosts()

from . import apis, checkpoint, datasets, engine, evaluation, models, visualization  # noqa: E402
from .apis.models import load  # noqa: E402
from .errors import InputError  # noqa: E402
from .models import MAE, MAEDecoder, MaskedAutoencoder  # noqa: E402

__all__ = [
    'MAE', 'InputError', 'MAEDecoder', 'MaskedAutoencoder', '__version__', 'apis', 'checkpoint', 'datasets', 'engine',
    'evaluation', 'load', 'models', 'visualization'
]
