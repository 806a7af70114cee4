"""Folders of images, with and without labels."""
import os
import zlib
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

from mmpretrain.datasets import CustomDataset
from mmpretrain.datasets.categories import IMAGENET_CATEGORIES
from mmpretrain.datasets.custom import get_samples

from ..errors import InputError, listed
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
    """Images in a folder for each class; the classes are the sorted names.

    Args:
        per_class: use so many images of each class, spread evenly over the sorted names; None for all.

    Raises:
        ValueError: a class without images, or with too few.
    """

    def __init__(self, *, per_class: int | None = None, **kwargs: Any):
        self.per_class = per_class
        super().__init__(with_label=True, **kwargs)

    def _find_samples(self) -> list[tuple[str, int]]:
        by_class: dict[int, list[tuple[str, int]]] = {}
        for sample in super()._find_samples():
            by_class.setdefault(sample[1], []).append(sample)
        empty = [name for label, name in enumerate(self.CLASSES) if label not in by_class]
        if empty:
            raise InputError(f'{self.img_prefix}: no images of class {listed(empty)}; fill or remove the folder')
        if self.per_class is None:
            return [sample for samples in by_class.values() for sample in samples]
        chosen = []
        for label, samples in by_class.items():
            if len(samples) < self.per_class:
                raise InputError(f'{self.img_prefix}: class {self.CLASSES[label]} has {len(samples)} images, '
                                 f'fewer than per_class={self.per_class}')
            chosen += [samples[i * len(samples) // self.per_class] for i in range(self.per_class)]
        return chosen


@cache
def imagenet_synsets() -> dict[str, int]:
    """WordNet ids of ImageNet-1K's classes, such as n01440764, to their numbers."""
    names = (Path(__file__).parent / 'imagenet_synsets.txt').read_text().split()
    return {name: number for number, name in enumerate(names)}


@DATASETS.register_module()
class ImageNetFolder(CustomDataset):
    """ImageNet-1K and what is tested with its classes: images in folders named by WordNet ids, at any depth.

    A folder of some of the classes alone (ImageNet-A and -R) keeps the numbers that they have in ImageNet-1K;
    ``metainfo['class_ids']`` tells which there are.

    Raises:
        ValueError: an image whose folder is no class of ImageNet-1K.
    """
    METAINFO = {'classes': IMAGENET_CATEGORIES}

    def _find_samples(self) -> list[tuple[str, int]]:
        paths, _ = get_samples(self.img_prefix, None, is_valid_file=self.is_valid_file)
        numbers = imagenet_synsets()
        folders = [os.path.basename(os.path.dirname(path)) for path in paths]
        strange = [name or path for name, path in zip(folders, paths, strict=True) if name not in numbers]
        if strange:
            raise InputError(f'{self.img_prefix}: {listed(Counter(strange))} is no class of ImageNet-1K, whose images '
                             'are in folders named like n01440764')
        labels = [numbers[name] for name in folders]
        self._metainfo['class_ids'] = tuple(sorted(set(labels)))
        return list(zip(paths, labels, strict=True))
