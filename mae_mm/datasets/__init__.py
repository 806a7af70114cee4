"""What becomes a batch: data sets, samplers and transforms that the hosts lack."""
from typing import TYPE_CHECKING

from ..dependencies import absent, missing
from ..registry import DATASETS
from .labels import LoadAnnotations
from .sampling import Draw, EpochSampler, ResumableSampler, seed_all
from .transforms import CheckLabels, LoadImage, SeedSample

if TYPE_CHECKING or not missing('mmpretrain'):
    from .folder import ClassFolder, ImageFolder, ImageNetFolder
    from .lists import ListedImages
else:
    ClassFolder, ImageFolder, ImageNetFolder, ListedImages = (
        absent(name, 'mmpretrain', DATASETS)
        for name in ('ClassFolder', 'ImageFolder', 'ImageNetFolder', 'ListedImages'))
if TYPE_CHECKING or not missing('mmseg'):
    from .segmentation import SegmentationFolder
else:
    SegmentationFolder = absent('SegmentationFolder', 'mmseg', DATASETS)

__all__ = [
    'CheckLabels', 'ClassFolder', 'Draw', 'EpochSampler', 'ImageFolder', 'ImageNetFolder', 'ListedImages',
    'LoadAnnotations', 'LoadImage', 'ResumableSampler', 'SeedSample', 'SegmentationFolder', 'seed_all'
]
