"""Folders of images, with and without labels, on the disk or in shards (:mod:`.shards`)."""
import os
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

from mmpretrain.datasets.categories import IMAGENET_CATEGORIES

from ..errors import InputError, listed
from ..registry import DATASETS
from .base import FolderDataset
from .files import none_there
from .pairs import LABEL_FOLDERS
from .scans import names_in
from .shards import folders_in, is_folder_of_images
from .splitting import held_out

SPLITS = ('train', 'val')
UNMEASURED = '--cfg-options val_dataloader=None val_cfg=None val_evaluator=None'  # trains without measuring


@DATASETS.register_module()
class ImageFolder(FolderDataset):
    """All images in a folder and the folders in it.

    Args:
        held_out: the share of images that are not trained on (:func:`held_out`).
        split: ``'train'``, or ``'held_out'``; without a share to hold out both are all images.
        kwargs: those of :class:`.Replacing` and of mmpretrain's ``CustomDataset``.

    Raises:
        ValueError: an unknown split, or a single image of which a share is to be held out.
    """

    def __init__(self, *, held_out: float = 0., split: str = 'train', **kwargs: Any):
        if split not in ('train', 'held_out'):
            raise InputError(f"split={split!r} is neither 'train' nor 'held_out'")
        self.held_out = held_out
        self.split = split
        super().__init__(with_label=False, **kwargs)

    def _find_samples(self) -> list[str]:
        samples = list(filter(self.is_valid_file, names_in(self.img_prefix)))
        if not samples:
            raise none_there(self.img_prefix, sorted(self.extensions))
        if not self.held_out:
            return samples
        if len(samples) < 2:
            raise InputError(f'{self.img_prefix}: held_out={self.held_out} needs two images or more, and there is '
                             f'{len(samples)}')
        chosen = held_out(samples, self.held_out)  # paths in the folder
        return [path for path in samples if (path in chosen) == (self.split == 'held_out')]

    def load_data_list(self) -> list[dict]:
        samples = super().load_data_list()
        if not self.ann_file or not self.held_out:
            return samples
        chosen = held_out([sample['img_path'] for sample in samples], self.held_out)
        return [sample for sample in samples if (sample['img_path'] in chosen) == (self.split == 'held_out')]


@DATASETS.register_module()
class ClassFolder(FolderDataset):
    """Images in a folder for each class; the classes are the sorted names.

    Args:
        per_class: use so many images of each class, spread evenly over the sorted names; None for all.
        split: ``'train'`` or ``'val'``: the folder of that name in ``data_root`` if both are there, else the class
            folders in ``data_root`` themselves, of which a share is held out. None: ``data_prefix`` says where.
        held_out: the share of each class that ``'val'`` has and ``'train'`` has not (:func:`held_out`).

    Raises:
        ValueError: a folder that cannot be read, a class without images or with too few, a folder that is not a class,
            or one of the two splits without the other.
    """

    def __init__(self, *, per_class: int | None = None, split: str | None = None, held_out: float = 0.2,
                 **kwargs: Any):
        if split not in (None, *SPLITS):
            raise InputError(f"split={split!r} is neither 'train' nor 'val'")
        self.per_class = per_class
        self.held_out = None if split is None or has_splits(kwargs['data_root']) else held_out
        self.split = split
        if split == 'val' and self.held_out == 0:
            raise InputError(f'{kwargs["data_root"]}: held_out=0 leaves no images to measure on; to train on all of '
                             f'them: {UNMEASURED}')
        if split and self.held_out is None:
            kwargs['data_prefix'] = split
        super().__init__(with_label=True, **kwargs)

    @property
    def _folder(self) -> str:
        """As messages name it."""
        return os.path.normpath(self.img_prefix)

    @staticmethod
    def find_metainfo(data_root: str = '', data_prefix: str = '', split: str | None = None,
                      **_: Any) -> dict[str, tuple[str, ...]]:
        """``classes`` of a folder, by its names; see :class:`ClassFolder`.

        Raises:
            ValueError: no class folders.
        """
        folder = os.path.join(data_root, data_prefix)
        if split:
            folder = os.path.join(data_root, 'train') if has_splits(data_root) else data_root
        names = folders_in(folder)
        if 'images' in names and set(names) <= {'images', *LABEL_FOLDERS}:
            raise InputError(f'{folder}: images and label maps, for a segmentor; a classifier needs class folders, '
                             f'{folder}/CLASS/*.jpg')
        if len(names) < 2:
            found = f'one class folder, {names[0]}' if names else 'no class folders'
            raise InputError(f'{folder}: {found}, and a classifier needs two or more: {folder}/CLASS/*.jpg'
                             + (f', or {folder}/{{train,val}}/CLASS/*.jpg' if folder == data_root else ''))
        return dict(classes=names)

    def _find_samples(self) -> list[tuple[str, int]]:
        folders = folders_in(self.img_prefix)
        if self.CLASSES is None:
            self._metainfo['classes'] = folders
        strange = set(folders) - set(self.CLASSES)
        if strange:
            raise InputError(f'{self._folder}: folder {listed(sorted(strange))} is not one of the '
                             f'{len(self.CLASSES)} classes ({listed(self.CLASSES)})')
        found: dict[str, list[str]] = {name: [] for name in folders}
        for path in filter(self.is_valid_file, names_in(self.img_prefix, apart=True)):
            found[path.partition(os.sep)[0]].append(path)
        empty = [name for name, paths in found.items() if not paths]
        if empty:
            raise InputError(f'{self._folder}: no images of class {listed(empty)}; add some, or remove the folder')
        chosen = []
        for name, paths in found.items():
            paths = self._side(name, paths)
            count = len(paths) if self.per_class is None else self.per_class
            if len(paths) < count:
                raise InputError(f'{self._folder}: class {name} has {len(paths)} images, fewer than '
                                 f'per_class={self.per_class}')
            label = self.CLASSES.index(name)
            chosen += [(paths[i * len(paths) // count], label) for i in range(count)]
        return chosen

    def _side(self, name: str, paths: list[str]) -> list[str]:
        """Of the images of a class, those of this split."""
        if self.held_out is None:
            return paths
        if len(paths) < 2:
            raise InputError(f'{self._folder}: class {name} has one image, and needs two or more: one to train on '
                             'and one held out')
        chosen = held_out(paths, self.held_out)
        return [path for path in paths if (path in chosen) == (self.split == 'val')]


def has_splits(data_root: str) -> bool:
    """Whether a folder has its own ``train`` and ``val``.

    Raises:
        ValueError: there is one of them alone, with class folders in it.
    """
    folders = {split: os.path.join(data_root, split) for split in SPLITS}
    there = [split for split, folder in folders.items() if is_folder_of_images(folder)]
    if len(there) == 1 and folders_in(folders[there[0]]):
        other, = set(SPLITS) - set(there)
        raise InputError(f'{data_root}: there is a folder {there[0]} and no folder {other}; add it, or hold out a '
                         f'share of the one that is there: data_root={folders[there[0]]}')
    return len(there) == len(SPLITS)


@cache
def imagenet_synsets() -> dict[str, int]:
    """WordNet ids of ImageNet-1K's classes, such as n01440764, to their numbers."""
    names = (Path(__file__).parent / 'imagenet_synsets.txt').read_text().split()
    return {name: number for number, name in enumerate(names)}


@DATASETS.register_module()
class ImageNetFolder(FolderDataset):
    """ImageNet-1K and what is tested with its classes: images in folders named by WordNet ids, at any depth.

    A folder of some of the classes alone (ImageNet-A and -R) keeps the numbers that they have in ImageNet-1K;
    ``metainfo['class_ids']`` tells which there are.

    Raises:
        ValueError: an image whose folder is not a class of ImageNet-1K.
    """
    METAINFO = {'classes': IMAGENET_CATEGORIES}

    def _find_samples(self) -> list[tuple[str, int]]:
        paths = list(filter(self.is_valid_file, names_in(self.img_prefix)))
        numbers = imagenet_synsets()
        folders = [os.path.basename(os.path.dirname(path)) for path in paths]
        strange = [name or path for name, path in zip(folders, paths, strict=True) if name not in numbers]
        if strange:
            raise InputError(f'{self.img_prefix}: {listed(Counter(strange))} is not a class of ImageNet-1K, whose '
                             'images are in folders named like n01440764')
        labels = [numbers[name] for name in folders]
        self._metainfo['class_ids'] = tuple(sorted(set(labels)))
        return list(zip(paths, labels, strict=True))
