"""How things run: the runner, the loops, hooks, the schedule, the optimizer's groups."""
from .checkpoints import CheckpointHook
from .hooks import BoundHistoryHook, CheckClassesHook, CheckLossHook, SeedStepHook, SyncBuffersHook
from .loop import EpochBasedTrainLoop, IterBasedTrainLoop
from .optimizer import LayerDecayConstructor
from .runner import Runner, build_runner
from .schedule import WarmupCosineLR
from .stopping import StopHook

__all__ = [
    'BoundHistoryHook', 'CheckClassesHook', 'CheckLossHook', 'CheckpointHook', 'EpochBasedTrainLoop',
    'IterBasedTrainLoop', 'LayerDecayConstructor', 'Runner', 'SeedStepHook', 'StopHook', 'SyncBuffersHook',
    'WarmupCosineLR', 'build_runner'
]
