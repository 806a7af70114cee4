"""What becomes a batch: data sets, samplers and transforms that the hosts lack."""
from .folder import ClassFolder, ImageFolder, ImageNetFolder
from .lists import ListedImages
from .sampling import Draw, EpochSampler, ResumableSampler, seed_all
from .transforms import CheckLabels, LoadImage, SeedSample

__all__ = [
    'CheckLabels', 'ClassFolder', 'Draw', 'EpochSampler', 'ImageFolder', 'ImageNetFolder', 'ListedImages', 'LoadImage',
    'ResumableSampler', 'SeedSample', 'seed_all'
]
