"""What becomes a batch: data sets, samplers and transforms that the hosts lack."""
from typing import TYPE_CHECKING

from ..dependencies import absent, missing
from ..registry import DATASETS, TRANSFORMS
from .crops import LoadCrop
from .labels import LoadAnnotations
from .sampling import Draw, EpochSampler, ResumableSampler, seed_all
from .transforms import CheckLabels, LoadImage, SeedSample

if TYPE_CHECKING or not missing('mmpretrain'):
    from .folder import ClassFolder, ImageFolder, ImageNetFolder
    from .lists import ListedImages
    from .packing import PackInputs
    from .resizing import ResizeEdge
else:
    ClassFolder, ImageFolder, ImageNetFolder, ListedImages = (
        absent(name, 'mmpretrain', DATASETS)
        for name in ('ClassFolder', 'ImageFolder', 'ImageNetFolder', 'ListedImages'))
    PackInputs, ResizeEdge = (absent(name, 'mmpretrain', TRANSFORMS) for name in ('PackInputs', 'ResizeEdge'))
if TYPE_CHECKING or not missing('mmseg'):
    from .segmentation import SegmentationFolder
else:
    SegmentationFolder = absent('SegmentationFolder', 'mmseg', DATASETS)

__all__ = [
    'CheckLabels', 'ClassFolder', 'Draw', 'EpochSampler', 'ImageFolder', 'ImageNetFolder', 'ListedImages',
    'LoadAnnotations', 'LoadCrop', 'LoadImage', 'PackInputs', 'ResizeEdge', 'ResumableSampler', 'SeedSample',
    'SegmentationFolder', 'seed_all'
]
