"""Images without labels."""
import zlib
from typing import Any

from mmpretrain.datasets import CustomDataset

from ..errors import InputError
from ..registry import DATASETS


@DATASETS.register_module()
class ImageFolder(CustomDataset):
    """All images in a folder and the folders in it.

    Args:
        held_out: the share of images that are not trained on, chosen by their path in the folder, so that an image
            stays where it is when others come or go.
        split: ``'train'``, or ``'held_out'``; without a share to hold out both are all images.
        kwargs: those of mmpretrain's ``CustomDataset``.

    Raises:
        ValueError: an unknown split, or one without images.
    """

    def __init__(self, *, held_out: float = 0., split: str = 'train', **kwargs: Any):
        if split not in ('train', 'held_out'):
            raise InputError(f"split={split!r} is neither 'train' nor 'held_out'")
        self.held_out = held_out
        self.split = split
        super().__init__(with_label=False, **kwargs)

    def _find_samples(self) -> list[str]:
        samples = super()._find_samples()
        if not self.held_out:
            return samples
        chosen = [path for path in samples
                  if (zlib.crc32(path.encode()) % 10_000 < self.held_out * 10_000) == (self.split == 'held_out')]
        if not chosen:
            raise InputError(f'{self.img_prefix}: held_out={self.held_out} leaves no images for '
                             f'split={self.split!r} of {len(samples)}')
        return chosen
