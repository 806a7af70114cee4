from .layers import Attention, EncoderLayer, PatchEmbed
from .vit import MAE

__all__ = ['MAE', 'Attention', 'EncoderLayer', 'PatchEmbed']
