"""The learning rate over a run."""
import math
from typing import Any

from mmengine.optim.scheduler.lr_scheduler import LRSchedulerMixin
from mmengine.optim.scheduler.param_scheduler import _ParamScheduler

from ..errors import InputError
from ..registry import PARAM_SCHEDULERS


@PARAM_SCHEDULERS.register_module()
class WarmupCosineLR(LRSchedulerMixin, _ParamScheduler):
    """A linear rise from 0, then half a cosine down: facebookresearch/mae's ``util/lr_sched.py``, step by step.

    mmengine's two schedulers differ: the first reaches the top a step early, and the second ends at one rate for all
    groups, which is above what layer-wise decay gives the first layers. In configs with
    ``convert_to_iter_based=True`` lengths are in epochs, else in steps.

    Args:
        warmup: length of the rise.
        end: length of the run; mmengine gives it.
        min_ratio: the last rate of a group over its highest.

    Raises:
        ValueError: a rise that is not shorter than the run.
    """

    def __init__(self, optimizer: Any, warmup: float, end: int, min_ratio: float = 0., by_epoch: bool = True,
                 **kwargs: Any):
        if not 0 <= warmup < end:
            raise InputError(f'param_scheduler: a warmup of {warmup} is not shorter than a run of {end}')
        self.warmup = warmup
        self.min_ratio = min_ratio
        super().__init__(optimizer, end=end, by_epoch=by_epoch, **kwargs)

    @classmethod
    def build_iter_from_epoch(cls, optimizer: Any, warmup: float, end: int, epoch_length: int, by_epoch: bool = True,
                              **kwargs: Any) -> 'WarmupCosineLR':
        """mmengine's entry for lengths in epochs of so many steps."""
        return cls(optimizer, warmup * epoch_length, end * epoch_length, by_epoch=False, **kwargs)

    def _get_value(self) -> list[float]:
        if self.last_step < self.warmup:
            factor = self.last_step / self.warmup
        else:
            progress = (self.last_step - self.warmup) / (self.end - self.warmup)
            factor = self.min_ratio + (1 - self.min_ratio) * .5 * (1 + math.cos(math.pi * progress))
        return [base * factor for base in self.base_values]
