"""The training loops, resumed exactly and without reading again all that was read.

Both count ``samples``, the draws of all processes together: a run goes on at the next one, whatever the batch and the
number of processes are now.
"""
from collections.abc import Collection
from itertools import chain
from typing import Any

from mmengine.dist import get_world_size
from mmengine.runner import EpochBasedTrainLoop as _EpochBasedTrainLoop
from mmengine.runner import IterBasedTrainLoop as _IterBasedTrainLoop
from mmengine.runner.loops import _InfiniteDataloaderIterator

from ..datasets import EpochSampler, ResumableSampler
from ..errors import InputError
from ..registry import LOOPS
from .late import LateOutputs
from .losses import left_out
from .steps import scale_of


def _need(sampler: object, kind: type) -> None:
    if not isinstance(sampler, kind):
        raise InputError(f"resuming needs train_dataloader.sampler.type='mae_mm.{kind.__name__}', "
                         f'not {type(sampler).__name__}')


def _batch_of_all(loader: Any) -> int:
    return loader.batch_size * get_world_size()


def _late_outputs(runner: Any) -> LateOutputs | None:
    """None where nothing waits: on a CPU, and where a scaler of the loss has to look at each step anyway."""
    on_card = next(runner.model.parameters()).is_cuda
    return LateOutputs() if on_card and scale_of(runner.optim_wrapper) is None else None


def _run_iter(loop: Any, idx: int, *parts: Any) -> None:
    """mmengine's, of a batch in one or several parts, and no step where a run that went back leaves one out.

    On a card the hooks after a step get the scalars of the one before (:class:`LateOutputs`).
    """
    runner = loop.runner
    data_batch = parts[0] if len(parts) == 1 else {
        key: [each for part in parts for each in part[key]] for key in parts[0]}
    runner.call_hook('before_train_iter', batch_idx=idx, data_batch=data_batch)
    outputs: dict[str, Any] = {}
    for part in parts if loop._iter not in loop.left_out else ():
        for name, value in runner.model.train_step(part, optim_wrapper=runner.optim_wrapper).items():
            outputs[name] = outputs.get(name, 0) + value / len(parts)
    if loop.late is not None:
        outputs = loop.late.swap(outputs, loop._iter, data_batch)
    runner.call_hook('after_train_iter', batch_idx=idx, data_batch=data_batch, outputs=outputs)
    loop._iter += 1


@LOOPS.register_module()
class EpochBasedTrainLoop(_EpochBasedTrainLoop):
    """mmengine's loop, for an ``EpochSampler``: a run that was stopped within an epoch goes on within it.

    Attributes:
        samples: drawn in this epoch.
    """
    samples = 0
    left_out: Collection[int] = ()
    late: LateOutputs | None = None

    def run(self) -> None:
        self.left_out = set(chain(*left_out(self.runner.work_dir)))
        self.late = _late_outputs(self.runner)
        if self._iter:
            _need(self.dataloader.sampler, EpochSampler)
            self.dataloader.sampler.seed = self.runner.seed
            self.samples = getattr(self.runner, 'samples_done', None) or 0
        super().run()

    def run_epoch(self) -> None:
        self.runner.call_hook('before_train_epoch')
        self.runner.model.train()
        batch = _batch_of_all(self.dataloader)
        if self.samples:
            self.dataloader.sampler.start = self.samples
        for idx, data_batch in enumerate(self.dataloader, self.samples // batch):
            self.samples += batch
            _run_iter(self, idx, data_batch)
        self.samples = self.dataloader.sampler.start = 0
        self.runner.call_hook('after_train_epoch')
        self._epoch += 1


@LOOPS.register_module()
class IterBasedTrainLoop(_IterBasedTrainLoop):
    """mmengine's loop, for a ``ResumableSampler``: after a resume it asks the sampler to start where it was.

    mmengine's reads and augments every batch up to that point, which takes hours at the end of a schedule.

    Args:
        accumulate: so many batches of the data loader, whose gradients are added up, make an iteration.
        kwargs: those of mmengine's.

    Attributes:
        samples: drawn in this run.
    """
    samples = 0
    left_out: Collection[int] = ()
    late: LateOutputs | None = None

    def __init__(self, *args: Any, accumulate: int = 1, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.accumulate = accumulate

    def run(self) -> None:
        self.left_out = set(chain(*left_out(self.runner.work_dir)))
        self.late = _late_outputs(self.runner)
        sampler, parts = self.dataloader.sampler, self.accumulate
        if parts > 1:
            self.runner.optim_wrapper.initialize_count_status(
                self.runner.model, self._iter * parts, self._max_iters * parts)
        batch = _batch_of_all(self.dataloader) * parts
        if self._iter:
            _need(sampler, ResumableSampler)
            done = getattr(self.runner, 'samples_done', None)
            self.samples = self._iter * batch if done is None else done  # older files do not tell
        self.runner.call_hook('before_train')
        self.runner.call_hook('before_train_epoch')
        if self._iter:
            sampler.start_at(self.samples, self.runner.seed)
            self.dataloader_iterator = _InfiniteDataloaderIterator(self.dataloader)
        while self._iter < self._max_iters and not self.stop_training:
            self.runner.model.train()
            self.samples += batch
            _run_iter(self, self._iter, *(next(self.dataloader_iterator) for _ in range(parts)))
            self._decide_current_val_interval()
            if self.runner.val_loop is not None and self._iter >= self.val_begin and (
                    self._iter % self.val_interval == 0 or self._iter == self._max_iters):
                self.runner.val_loop.run()
        self.runner.call_hook('after_train_epoch')
        self.runner.call_hook('after_train')
