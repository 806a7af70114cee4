"""Segmentation heads: mmsegmentation's in less time, and what it does not have."""
from .dense import DPTHead, FCNHead, LinearHead, SegmenterMaskTransformerHead
from .mask import MaskHead
from .upernet import UPerHead

__all__ = ['DPTHead', 'FCNHead', 'LinearHead', 'MaskHead', 'SegmenterMaskTransformerHead', 'UPerHead']
