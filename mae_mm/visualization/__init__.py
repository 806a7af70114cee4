"""Pictures of predictions and reconstructions."""
from .classification import captioned
from .reconstruction import reconstruction_strips
from .segmentation import contact_sheet, paint, read_rgb, segmentation_strip, write_rgb

__all__ = [
    'captioned', 'contact_sheet', 'paint', 'read_rgb', 'reconstruction_strips', 'segmentation_strip', 'write_rgb'
]
