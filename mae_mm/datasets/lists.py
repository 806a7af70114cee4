"""Labelled images that a file lists."""
import json
from typing import Any

from mmpretrain.datasets import CustomDataset

from ..errors import InputError
from ..registry import DATASETS
from .broken import Replacing
from .files import check_file


@DATASETS.register_module()
class ListedImages(Replacing, CustomDataset):
    """Images that an annotation file lists.

    It has a line ``path label`` (or ``path,label``) for each image, as Places205's and Places365's lists do, or is
    iNaturalist's JSON. Paths are relative to ``data_prefix``, with or without a slash at the start.

    Args:
        num_classes: labels are 0 to ``num_classes - 1``.

    Raises:
        ValueError: a file that is not there, a line that is no pair, or a label that is not a class.
    """

    def __init__(self, *, num_classes: int, **kwargs: Any):
        self.num_classes = num_classes
        super().__init__(with_label=True, metainfo=dict(classes=tuple(map(str, range(num_classes)))), **kwargs)

    def load_data_list(self) -> list[dict]:
        check_file(self.ann_file, 'a list of images and labels')
        try:
            with open(self.ann_file) as file:
                pairs = _inaturalist(json.load(file)) if self.ann_file.endswith('.json') else _lines(file)
        except (OSError, KeyError, TypeError, ValueError, RecursionError) as error:
            raise InputError(f'{self.ann_file} cannot be read as a list of images and labels: {error}') from None
        for path, label in pairs:
            if not 0 <= label < self.num_classes:
                raise InputError(f'{self.ann_file}: label {label} of {path} is not a class; classes are 0 to '
                                 f'{self.num_classes - 1}')
        return [dict(img_path=f'{self.img_prefix}/{path.lstrip("/")}', gt_label=label) for path, label in pairs]


def _lines(file: Any) -> list[tuple[str, int]]:
    pairs = []
    for line in filter(None, map(str.strip, file)):
        path, label = line.replace(',', ' ').rsplit(maxsplit=1)
        pairs.append((path, int(label)))
    return pairs


def _inaturalist(index: dict) -> list[tuple[str, int]]:
    """iNaturalist 2017 to 2019; the categories' ids in order are the labels."""
    labels = {number: label for label, number in enumerate(sorted(entry['id'] for entry in index['categories']))}
    of_image = {entry['image_id']: labels[entry['category_id']] for entry in index['annotations']}
    return [(entry['file_name'], of_image[entry['id']]) for entry in index['images']]
