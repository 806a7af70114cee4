"""The models, in the order in which an image meets them."""
from .decoder import MAEDecoder
from .heads import UPerHead
from .preprocessing import BandsPreprocessor, BandsSegPreprocessor
from .pretrainer import MaskedAutoencoder, Reconstruction
from .segmentor import EncoderDecoder
from .vit import MAE

__all__ = [
    'MAE', 'BandsPreprocessor', 'BandsSegPreprocessor', 'EncoderDecoder', 'MAEDecoder', 'MaskedAutoencoder',
    'Reconstruction', 'UPerHead'
]
