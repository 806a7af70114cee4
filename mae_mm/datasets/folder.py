"""Folders of images, with and without labels."""
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


@DATASETS.register_module()
class ClassFolder(CustomDataset):
    """Images in a folder for each class, of which ``per_class`` are used, spread evenly over the sorted names.

    Raises:
        ValueError: a class has fewer.
    """

    def __init__(self, *, per_class: int, **kwargs: Any):
        self.per_class = per_class
        super().__init__(with_label=True, **kwargs)

    def _find_samples(self) -> list[tuple[str, int]]:
        by_class: dict[int, list[tuple[str, int]]] = {}
        for sample in super()._find_samples():
            by_class.setdefault(sample[1], []).append(sample)
        chosen = []
        for label, samples in by_class.items():
            if len(samples) < self.per_class:
                raise InputError(f'{self.img_prefix}: class {self.CLASSES[label]} has {len(samples)} images, '
                                 f'fewer than per_class={self.per_class}')
            chosen += [samples[i * len(samples) // self.per_class] for i in range(self.per_class)]
        return chosen
