"""Measuring segmentors."""
from collections.abc import Sequence

import numpy as np
import torch
from mmseg.evaluation import IoUMetric as _IoUMetric
from torch import Tensor

from ..errors import InputError
from ..registry import METRICS
from .classification import unique_names


@METRICS.register_module()
class IoUMetric(_IoUMetric):
    """mmseg's metric, which prints the table of classes; this one also keeps it, and counts confusions.

    Attributes:
        per_class: class name -> metric -> percent, None for a class that occurs nowhere.
        confusion: ``(classes, classes)`` numbers of pixels, a row for each true class, a column for each prediction;
            None before a measurement.
        class_names: those of the rows and of the columns.

    Raises:
        ValueError: no pixel has a label.
    """
    default_prefix = ''  # names stay bare, and nothing warns of it
    counted = 'pixels'

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.per_class: dict[str, dict[str, object]] = {}
        self.confusion: Tensor | None = None
        self.class_names: tuple[str, ...] = ()

    @staticmethod
    def intersect_and_union(pred_label: Tensor, label: Tensor, num_classes: int, ignore_index: int) -> tuple:
        """mmseg's four areas of an image, and which pairs of classes occur in it, how often."""
        areas = _IoUMetric.intersect_and_union(pred_label, label, num_classes, ignore_index)
        return *areas, pairs_of(pred_label, label, num_classes, ignore_index)

    def compute_metrics(self, results: list) -> dict[str, float]:
        if self.format_only:
            return super().compute_metrics(results)
        *areas, pairs = zip(*results, strict=True)
        self.class_names = unique_names(self.dataset_meta['classes'])
        self.confusion = summed(pairs, len(self.class_names))
        return super().compute_metrics(list(zip(*areas, strict=True)))

    def total_area_to_metrics(self, *args, **kwargs):  # a static method there, called through self
        if not args[3].sum():  # the labels' pixels of each class
            raise InputError('no pixel of the measured images has a class: their labels are all ignored')
        values = _IoUMetric.total_area_to_metrics(*args, **kwargs)
        columns = {name: np.round(100 * column.astype(np.float64), 2)
                   for name, column in values.items() if name != 'aAcc'}
        self.per_class = {
            class_name: {name: None if np.isnan(column[i]) else float(column[i]) for name, column in columns.items()}
            for i, class_name in enumerate(self.dataset_meta['classes'])
        }
        return values


def pairs_of(pred: Tensor, label: Tensor, num_classes: int, ignore_index: int) -> Tensor:
    """``(2, pairs)``: codes ``true * num_classes + predicted`` of the pairs of classes in an image, and their pixels.

    An image has few of all pairs: 150 classes have 22,500.
    """
    kept = (label >= 0) & (label < num_classes) & (label != ignore_index)  # as mmseg counts
    counts = torch.bincount(label[kept].long() * num_classes + pred[kept].long(), minlength=num_classes**2)
    codes = counts.nonzero().flatten()
    return torch.stack([codes, counts[codes]]).cpu()


def summed(pairs: Sequence[Tensor], num_classes: int) -> Tensor:
    """``(classes, classes)`` numbers of pixels of all images."""
    codes, counts = torch.cat(list(pairs), dim=1)
    return torch.zeros(num_classes**2, dtype=torch.int64).index_add_(0, codes, counts).view(num_classes, num_classes)
