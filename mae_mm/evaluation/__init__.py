"""What is measured: metrics of each task, and what frozen features tell."""
from typing import TYPE_CHECKING

from ..dependencies import absent, missing
from ..registry import METRICS
from .features import labelled_loader, linear_accuracy, mean_features
from .neighbours import neighbours_accuracy
from .reconstruction import ReconstructionLoss

if TYPE_CHECKING or not missing('mmpretrain'):
    from .classification import Accuracy, CorruptionError
else:
    Accuracy, CorruptionError = (absent(name, 'mmpretrain', METRICS) for name in ('Accuracy', 'CorruptionError'))
if TYPE_CHECKING or not missing('mmseg'):
    from .segmentation import IoUMetric
else:
    IoUMetric = absent('IoUMetric', 'mmseg', METRICS)

__all__ = [
    'Accuracy', 'CorruptionError', 'IoUMetric', 'ReconstructionLoss', 'labelled_loader', 'linear_accuracy',
    'mean_features', 'neighbours_accuracy'
]
