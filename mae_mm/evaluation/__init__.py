"""What is measured: metrics of each task, and what frozen features tell."""
from .classification import Accuracy, CorruptionError
from .features import labelled_loader, linear_accuracy, mean_features, neighbours_accuracy
from .metrics import IoUMetric, ReconstructionLoss

__all__ = [
    'Accuracy', 'CorruptionError', 'IoUMetric', 'ReconstructionLoss', 'labelled_loader', 'linear_accuracy',
    'mean_features', 'neighbours_accuracy'
]
