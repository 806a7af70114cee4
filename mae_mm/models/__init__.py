"""The models, in the order in which an image meets them."""
from typing import TYPE_CHECKING

from ..dependencies import absent, missing
from ..registry import MODELS
from .decoder import MAEDecoder
from .pretrainer import MaskedAutoencoder, Reconstruction
from .vit import MAE

if TYPE_CHECKING or not missing('mmseg'):
    from .heads import UPerHead
    from .segmentor import EncoderDecoder
else:
    UPerHead, EncoderDecoder = (absent(name, 'mmseg', MODELS) for name in ('UPerHead', 'EncoderDecoder'))

__all__ = ['MAE', 'EncoderDecoder', 'MAEDecoder', 'MaskedAutoencoder', 'Reconstruction', 'UPerHead']
