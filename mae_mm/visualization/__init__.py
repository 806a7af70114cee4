"""Pictures of predictions."""
from .segmentation import contact_sheet, paint, read_rgb, segmentation_strip, write_rgb

__all__ = ['contact_sheet', 'paint', 'read_rgb', 'segmentation_strip', 'write_rgb']
