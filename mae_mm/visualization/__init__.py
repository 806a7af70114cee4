"""Pictures of predictions, reconstructions, attention, features and runs."""
from .attention import attention_panels, bias_panels
from .bands import picture_options, read_rgb
from .classes import class_bars
from .classification import best_classes, captioned, classification_picture
from .confusion import confusion_picture
from .curves import curves_png
from .features import pca_colours
from .hooks import ReconstructionHook, SaveLabelsHook, SavePicturesHook
from .panels import Panel, panels_png
from .reconstruction import reconstruction_pictures, reconstruction_strips
from .segmentation import contact_sheet, label_png, overlay, paint, segmentation_strip, with_legend, write_rgb

__all__ = [
    'Panel', 'ReconstructionHook', 'SaveLabelsHook', 'SavePicturesHook', 'attention_panels', 'best_classes',
    'bias_panels', 'captioned', 'class_bars', 'classification_picture', 'confusion_picture', 'contact_sheet',
    'curves_png', 'label_png', 'overlay', 'paint', 'panels_png', 'pca_colours', 'picture_options', 'read_rgb',
    'reconstruction_pictures', 'reconstruction_strips', 'segmentation_strip', 'with_legend', 'write_rgb'
]
