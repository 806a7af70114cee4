"""The models, in the order in which an image meets them."""
from typing import TYPE_CHECKING

from ..dependencies import absent, missing
from ..registry import MODELS
from .decoder import MAEDecoder
from .distiller import Distiller
from .images import ImagePreprocessor
from .pretrainer import MaskedAutoencoder, Reconstruction
from .vit import MAE

if TYPE_CHECKING or not missing('mmseg'):
    from .heads import DPTHead, FCNHead, LinearHead, MaskHead, SegmenterMaskTransformerHead, UPerHead
    from .segmentor import EncoderDecoder
else:
    DPTHead, FCNHead, LinearHead, MaskHead, SegmenterMaskTransformerHead, UPerHead, EncoderDecoder = (
        absent(name, 'mmseg', MODELS) for name in ('DPTHead', 'FCNHead', 'LinearHead', 'MaskHead',
                                                   'SegmenterMaskTransformerHead', 'UPerHead', 'EncoderDecoder'))
if TYPE_CHECKING or not missing('mmseg') and not missing('mmpretrain'):
    from .preprocessing import BandsPreprocessor, BandsSegPreprocessor, SegPreprocessor
else:
    BandsPreprocessor, BandsSegPreprocessor, SegPreprocessor = (
        absent(name, 'mmseg' if missing('mmseg') else 'mmpretrain', MODELS)
        for name in ('BandsPreprocessor', 'BandsSegPreprocessor', 'SegPreprocessor'))

__all__ = [
    'MAE', 'BandsPreprocessor', 'BandsSegPreprocessor', 'DPTHead', 'Distiller', 'EncoderDecoder', 'FCNHead',
    'ImagePreprocessor', 'LinearHead', 'MAEDecoder', 'MaskHead', 'MaskedAutoencoder', 'Reconstruction',
    'SegPreprocessor', 'SegmenterMaskTransformerHead', 'UPerHead'
]
