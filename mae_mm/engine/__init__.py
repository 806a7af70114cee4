"""How things run: the runner, the loops, hooks, the schedule, the optimizer's groups."""
from typing import TYPE_CHECKING

from ..dependencies import absent, missing
from ..registry import HOOKS, OPTIM_WRAPPER_CONSTRUCTORS
from .building import build_runner
from .checkpoints import CheckpointHook
from .hooks import AnnealMasksHook, BoundHistoryHook, CheckClassesHook, SeedStepHook, SyncBuffersHook
from .loop import EpochBasedTrainLoop, IterBasedTrainLoop
from .losses import CheckLossHook, UnlabelledHook
from .runner import Runner
from .schedule import WarmupCosineLR
from .stopping import StopHook
from .summary import SummaryHook

if TYPE_CHECKING or not missing('mmpretrain'):
    from .optimizer import LayerDecayConstructor
else:
    LayerDecayConstructor = absent('LayerDecayConstructor', 'mmpretrain', OPTIM_WRAPPER_CONSTRUCTORS)
if TYPE_CHECKING or not (missing('mmpretrain') or missing('mmseg')):
    from .probing import ProbeHook
else:
    ProbeHook = absent('ProbeHook', 'mmpretrain', HOOKS)

__all__ = [
    'AnnealMasksHook', 'BoundHistoryHook', 'CheckClassesHook', 'CheckLossHook', 'CheckpointHook',
    'EpochBasedTrainLoop', 'IterBasedTrainLoop', 'LayerDecayConstructor', 'ProbeHook', 'Runner', 'SeedStepHook',
    'StopHook', 'SummaryHook', 'SyncBuffersHook', 'UnlabelledHook', 'WarmupCosineLR', 'build_runner'
]
