"""What becomes a batch: data sets, samplers and transforms that the hosts lack."""
from .folder import ClassFolder, ImageFolder, ImageNetFolder
from .labels import LoadAnnotations
from .lists import ListedImages
from .sampling import Draw, EpochSampler, ResumableSampler, seed_all
from .segmentation import SegmentationFolder
from .transforms import CheckLabels, LoadImage, SeedSample

__all__ = [
    'CheckLabels', 'ClassFolder', 'Draw', 'EpochSampler', 'ImageFolder', 'ImageNetFolder', 'ListedImages',
    'LoadAnnotations', 'LoadImage', 'ResumableSampler', 'SeedSample', 'SegmentationFolder', 'seed_all'
]
