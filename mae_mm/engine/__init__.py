"""How things run: the runner, the loops, hooks, the schedule, the optimizer's groups."""
from typing import TYPE_CHECKING

from ..dependencies import absent, missing
from ..registry import OPTIM_WRAPPER_CONSTRUCTORS
from .hooks import CheckClassesHook, CheckLossHook, CheckpointHook, SeedStepHook, SyncBuffersHook
from .loop import EpochBasedTrainLoop, IterBasedTrainLoop
from .runner import Runner, build_runner
from .schedule import WarmupCosineLR
from .summary import SummaryHook

if TYPE_CHECKING or not missing('mmpretrain'):
    from .optimizer import LayerDecayConstructor
else:
    LayerDecayConstructor = absent('LayerDecayConstructor', 'mmpretrain', OPTIM_WRAPPER_CONSTRUCTORS)

__all__ = [
    'CheckClassesHook', 'CheckLossHook', 'CheckpointHook', 'EpochBasedTrainLoop', 'IterBasedTrainLoop',
    'LayerDecayConstructor', 'Runner', 'SeedStepHook', 'SummaryHook', 'SyncBuffersHook', 'WarmupCosineLR',
    'build_runner'
]
