"""What becomes a batch: data sets, samplers and transforms that the hosts lack."""
from ..dependencies import absent, missing
from ..registry import DATASETS
from .labels import LoadAnnotations
from .sampling import Draw, EpochSampler, ResumableSampler, seed_all
from .transforms import CheckLabels, LoadImage, SeedSample

if not missing('mmpretrain'):
    from .folder import ClassFolder, ImageFolder, ImageNetFolder
    from .lists import ListedImages
else:
    ClassFolder, ImageFolder, ImageNetFolder, ListedImages = (  # type: ignore[misc]
        absent(name, 'mmpretrain', DATASETS)
        for name in ('ClassFolder', 'ImageFolder', 'ImageNetFolder', 'ListedImages'))
if not missing('mmseg'):
    from .segmentation import SegmentationFolder
else:
    SegmentationFolder = absent('SegmentationFolder', 'mmseg', DATASETS)  # type: ignore[misc]

__all__ = [
    'CheckLabels', 'ClassFolder', 'Draw', 'EpochSampler', 'ImageFolder', 'ImageNetFolder', 'ListedImages',
    'LoadAnnotations', 'LoadImage', 'ResumableSampler', 'SeedSample', 'SegmentationFolder', 'seed_all'
]
