"""How things run: the runner, the loop, hooks, metrics, the optimizer's groups, the command line."""
from .hooks import CheckpointHook, SavePicturesHook, SeedStepHook, SyncBuffersHook
from .loop import IterBasedTrainLoop
from .metrics import IoUMetric
from .optimizer import LayerDecayConstructor
from .runner import Runner

__all__ = [
    'CheckpointHook', 'IoUMetric', 'IterBasedTrainLoop', 'LayerDecayConstructor', 'Runner', 'SavePicturesHook',
    'SeedStepHook', 'SyncBuffersHook'
]
