"""The models, in the order in which an image meets them."""
from .decoder import MAEDecoder
from .heads import UPerHead
from .pretrainer import MaskedAutoencoder, Reconstruction
from .segmentor import EncoderDecoder
from .vit import MAE

__all__ = ['MAE', 'EncoderDecoder', 'MAEDecoder', 'MaskedAutoencoder', 'Reconstruction', 'UPerHead']
