"""What data sets of images in folders share."""
import logging
import os
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
from mmengine.logging import print_log
from mmpretrain.datasets import CustomDataset

from ..errors import InputError
from .broken import Replacing
from .files import check_file
from .reading import IMAGE_SUFFIXES, other_images
from .shards import Shards, shards_at

ROW = 'row_in_shards'


class FilesOrShards(CustomDataset):
    """mmpretrain's, of all images that :mod:`.reading` knows, which tells what it leaves out.

    Of images in shards a sample has ``img_bytes``, those of the image's file.

    Attributes:
        shards: None for images on the disk.
    """
    shards: Shards | None = None

    def __init__(self, *, extensions: Sequence[str] = IMAGE_SUFFIXES, **kwargs: Any):
        self.left_out: list[str] = []
        super().__init__(extensions=extensions, **kwargs)

    def is_valid_file(self, filename: str) -> bool:
        known = super().is_valid_file(filename)
        if not known:
            self.left_out.append(filename)
        return known

    def load_data_list(self) -> list[dict]:
        found = shards_at(self.img_prefix)
        self.shards = found[0] if found else None
        samples = self._listed() if self.ann_file else super().load_data_list()
        left_out, self.left_out = other_images(self.left_out), []
        if left_out:
            _tell_left_out((self.img_prefix or self.data_root).rstrip(os.sep), left_out, ', '.join(IMAGE_SUFFIXES))
        return samples if found is None else self._in_shards(samples, *found)

    def _listed(self) -> list[dict]:
        check_file(self.ann_file, 'a list of images')
        try:
            samples = super().load_data_list()
        except ValueError as error:
            raise InputError(f'{self.ann_file} cannot be read as a list of images{" and labels" * self.with_label}: '
                             f'{error}') from None
        if not samples:
            raise InputError(f'{self.ann_file}: no images there; it has a line for each')
        number = len(self.CLASSES or ())
        strange = [sample for sample in samples if number and not 0 <= sample.get('gt_label', 0) < number]
        if strange:
            raise InputError(f'{self.ann_file}: label {strange[0]["gt_label"]} of {strange[0]["img_path"]} is not a '
                             f'class; classes are 0 to {number - 1}')
        return samples

    def _in_shards(self, samples: list[dict], shards: Shards, inner: str) -> list[dict]:
        """Samples of files of the folder ``inner`` of the one that the shards were made from, with their rows."""
        rows = shards.rows(inner)
        row_of = dict(zip(shards.names(inner), rows, strict=True))
        numbers = shards.shard_of(rows).tolist()
        folders = [os.path.join(shards.folder, shard['name'], inner, '') for shard in shards.head['shards']]
        prefix = os.path.join(self.img_prefix, '')
        for sample in samples:
            name = sample['img_path'].removeprefix(prefix)
            if name not in row_of:
                raise InputError(f'{sample["img_path"]}: no such image in the shards of {shards.folder}')
            sample[ROW] = row = row_of[name]
            sample['img_path'] = folders[numbers[row - rows.start]] + name
        return samples

    def with_bytes(self, sample: dict) -> dict:
        """What :meth:`get_data_info` tells of a sample, as the transforms take it."""
        return sample if self.shards is None else dict(sample, img_bytes=self.shards.read(sample.pop(ROW)))

    def prepare_data(self, idx: int) -> Any:
        return self.pipeline(self.with_bytes(self.get_data_info(idx)))

    def by_shard(self) -> list[np.ndarray]:
        """The places of the samples of each shard here, in the order in which it holds them.

        Raises:
            ValueError: the images are on the disk.
        """
        if self.shards is None:
            raise InputError(f'sampler.window is for shards, and {self.img_prefix} is a folder of images; leave it '
                             'out, or make shards of them: mae-mm shards make')
        rows = [self.get_data_info(i)[ROW] for i in range(len(self))]
        shards, offsets = self.shards.shard_of(rows), self.shards.offset_of(rows)
        order = np.lexsort((offsets, shards))
        return np.split(order, np.flatnonzero(np.diff(shards[order])) + 1)


class FolderDataset(Replacing, FilesOrShards):
    """Images in folders, or in the shards made from them; those that cannot be read may be replaced."""


@cache  # once, and not for each split
def _tell_left_out(folder: str, counts: str, known: str) -> None:
    print_log(f'{folder}: left out {counts}; known are {known}', logger='current', level=logging.WARNING)
