"""How things run: the runner, the loop, hooks, metrics, the optimizer's groups, the command line."""
from .classification import Accuracy, CorruptionError
from .hooks import CheckClassesHook, CheckLossHook, CheckpointHook, SeedStepHook, SyncBuffersHook
from .loop import EpochBasedTrainLoop, IterBasedTrainLoop
from .metrics import IoUMetric, ReconstructionLoss
from .optimizer import LayerDecayConstructor
from .pictures import ReconstructionHook, SavePicturesHook
from .runner import Runner
from .schedule import WarmupCosineLR

__all__ = [
    'Accuracy', 'CheckClassesHook', 'CheckLossHook', 'CheckpointHook', 'CorruptionError', 'EpochBasedTrainLoop',
    'IoUMetric', 'IterBasedTrainLoop', 'LayerDecayConstructor', 'ReconstructionHook', 'ReconstructionLoss', 'Runner',
    'SavePicturesHook', 'SeedStepHook', 'SyncBuffersHook', 'WarmupCosineLR'
]
