"""Pictures of predictions and reconstructions."""
from .bands import picture_options, read_rgb
from .classification import best_classes, captioned, classification_picture
from .hooks import ReconstructionHook, SaveLabelsHook, SavePicturesHook
from .reconstruction import reconstruction_strips
from .segmentation import contact_sheet, label_png, overlay, paint, segmentation_strip, with_legend, write_rgb

__all__ = [
    'ReconstructionHook', 'SaveLabelsHook', 'SavePicturesHook', 'best_classes', 'captioned', 'classification_picture',
    'contact_sheet', 'label_png', 'overlay', 'paint', 'picture_options', 'read_rgb', 'reconstruction_strips',
    'segmentation_strip', 'with_legend', 'write_rgb'
]
