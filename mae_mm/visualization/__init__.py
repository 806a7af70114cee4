"""Pictures of predictions and reconstructions."""
from .bands import picture_options, read_rgb
from .classification import best_classes, captioned, classification_picture
from .hooks import ReconstructionHook, SavePicturesHook
from .reconstruction import reconstruction_strips
from .segmentation import contact_sheet, overlay, paint, segmentation_strip, with_legend, write_rgb

__all__ = [
    'ReconstructionHook', 'SavePicturesHook', 'best_classes', 'captioned', 'classification_picture', 'contact_sheet',
    'overlay', 'paint', 'picture_options', 'read_rgb', 'reconstruction_strips', 'segmentation_strip', 'with_legend',
    'write_rgb'
]
