"""How things run: the runner, the loops, hooks, the schedule, the optimizer's groups."""
from .hooks import CheckClassesHook, CheckLossHook, CheckpointHook, SeedStepHook, SyncBuffersHook
from .loop import EpochBasedTrainLoop, IterBasedTrainLoop
from .optimizer import LayerDecayConstructor
from .runner import Runner, build_runner
from .schedule import WarmupCosineLR

__all__ = [
    'CheckClassesHook', 'CheckLossHook', 'CheckpointHook', 'EpochBasedTrainLoop', 'IterBasedTrainLoop',
    'LayerDecayConstructor', 'Runner', 'SeedStepHook', 'SyncBuffersHook', 'WarmupCosineLR', 'build_runner'
]
