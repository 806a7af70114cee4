"""Measuring segmentors."""
import numpy as np
from mmseg.evaluation import IoUMetric as _IoUMetric

from ..errors import InputError
from ..registry import METRICS


@METRICS.register_module()
class IoUMetric(_IoUMetric):
    """mmseg's metric, which prints the table of classes; this one also keeps it.

    Attributes:
        per_class: class name -> metric -> percent, None for a class that occurs nowhere.

    Raises:
        ValueError: no pixel has a label.
    """
    default_prefix = ''  # names stay bare, and nothing warns of it

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.per_class: dict[str, dict[str, object]] = {}

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
