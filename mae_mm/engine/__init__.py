"""How things run: the runner, the loop, hooks, metrics, the optimizer's groups, the command line."""
from .hooks import CheckLossHook, CheckpointHook, SeedStepHook, SyncBuffersHook
from .loop import EpochBasedTrainLoop, IterBasedTrainLoop
from .metrics import IoUMetric, ReconstructionLoss
from .optimizer import LayerDecayConstructor
from .pictures import ReconstructionHook, SavePicturesHook
from .runner import Runner

__all__ = [
    'CheckLossHook', 'CheckpointHook', 'EpochBasedTrainLoop', 'IoUMetric', 'IterBasedTrainLoop',
    'LayerDecayConstructor', 'ReconstructionHook', 'ReconstructionLoss', 'Runner', 'SavePicturesHook', 'SeedStepHook',
    'SyncBuffersHook'
]
