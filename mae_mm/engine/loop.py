"""The training loops, resumed exactly and without reading again all that was read."""
from mmengine.runner import EpochBasedTrainLoop as _EpochBasedTrainLoop
from mmengine.runner import IterBasedTrainLoop as _IterBasedTrainLoop
from mmengine.runner.loops import _InfiniteDataloaderIterator

from ..datasets import EpochSampler, ResumableSampler
from ..errors import InputError
from ..registry import LOOPS


def _need(sampler: object, kind: type) -> None:
    if not isinstance(sampler, kind):
        raise InputError(f"resuming needs train_dataloader.sampler.type='mae_mm.{kind.__name__}', "
                         f'not {type(sampler).__name__}')


@LOOPS.register_module()
class EpochBasedTrainLoop(_EpochBasedTrainLoop):
    """mmengine's loop, for an ``EpochSampler``: after a resume it draws with the seed of the run that it resumes."""

    def run(self) -> None:
        if self._epoch:
            _need(self.dataloader.sampler, EpochSampler)
            self.dataloader.sampler.seed = self.runner.seed
        super().run()


@LOOPS.register_module()
class IterBasedTrainLoop(_IterBasedTrainLoop):
    """mmengine's loop, for a ``ResumableSampler``: after a resume it asks the sampler to start where it was.

    mmengine's reads and augments every batch up to that point, which takes hours at the end of a schedule.
    """

    def run(self) -> None:
        sampler = self.dataloader.sampler
        if self._iter:
            _need(sampler, ResumableSampler)
        self.runner.call_hook('before_train')
        self.runner.call_hook('before_train_epoch')
        if self._iter:
            sampler.start_at(self._iter * self.dataloader.batch_size, self.runner.seed)
            self.dataloader_iterator = _InfiniteDataloaderIterator(self.dataloader)
        while self._iter < self._max_iters and not self.stop_training:
            self.runner.model.train()
            self.run_iter(next(self.dataloader_iterator))
            self._decide_current_val_interval()
            if self.runner.val_loop is not None and self._iter >= self.val_begin and (
                    self._iter % self.val_interval == 0 or self._iter == self._max_iters):
                self.runner.val_loop.run()
        self.runner.call_hook('after_train_epoch')
        self.runner.call_hook('after_train')
