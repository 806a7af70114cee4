"""The training loop, resumed without reading again all that was read."""
from mmengine.runner import IterBasedTrainLoop as _IterBasedTrainLoop
from mmengine.runner.loops import _InfiniteDataloaderIterator

from ..datasets import ResumableSampler
from ..errors import InputError
from ..registry import LOOPS


@LOOPS.register_module()
class IterBasedTrainLoop(_IterBasedTrainLoop):
    """mmengine's loop, for a ``ResumableSampler``: after a resume it asks the sampler to start where it was.

    mmengine's reads and augments every batch up to that point, which takes hours at the end of a schedule.
    """

    def run(self) -> None:
        sampler = self.dataloader.sampler
        if self._iter and not isinstance(sampler, ResumableSampler):
            raise InputError("resuming needs train_dataloader.sampler.type='mae_mm.ResumableSampler', "
                             f'not {type(sampler).__name__}')
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
