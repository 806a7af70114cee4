"""When checkpoints are written, and what is in them."""
import contextlib
import os
import time
from collections.abc import Iterator
from typing import Any

from mmengine.dist import is_main_process
from mmengine.hooks import CheckpointHook as _CheckpointHook

from ..checkpoint.writing import HASHED, AtomicBackend, from_plain, sweep_unfinished, to_plain
from ..errors import InputError
from ..registry import HOOKS
from .resume import LAST
from .workdir import remove

RETRY_SECONDS = 60
INTERIM = 'interim_ckpt'  # in the message hub: the checkpoint between those of the schedule


@HOOKS.register_module()
class CheckpointHook(_CheckpointHook):
    """mmengine's hook with nothing lost and nothing to run in the file.

    - A file is written whole or not at all, with its hash beside it, and older ones are removed after that.
    - It holds tensors and builtin types only, so that it loads with ``weights_only=True``.
    - A disk that is full or read-only is reported; training goes on, and tries again after a minute.
    - Resuming with a schedule of another length says so.

    Args:
        minutes: also save after so many minutes, within an epoch too; the next checkpoint replaces such a one.
        kwargs: those of mmengine's hook.
    """

    last_ckpt: str | None

    def __init__(self, *args: Any, minutes: float | None = None, **kwargs: Any):
        super().__init__(*args, backend_args=dict(backend=HASHED), **kwargs)
        if minutes is not None and not minutes > 0:
            raise InputError(f'default_hooks.checkpoint.minutes={minutes} is not a number above 0, or None')
        self.minutes = minutes
        self.due: float | None = None  # when to save next, whatever the schedule says
        self.failure: InputError | None = None  # of the last attempt

    def before_train(self, runner: Any) -> None:
        super().before_train(runner)
        self._set_clock()
        if is_main_process():
            sweep_unfinished(str(self.out_dir))
            remove(getattr(runner, 'in_the_way', ()))  # mmengine's own runner has none

    def after_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        super().after_train_iter(runner, batch_idx, data_batch, outputs)
        whole_step = (runner.iter + 1) % runner.optim_wrapper._accumulative_counts == 0
        if self.due is not None and time.monotonic() >= self.due and whole_step:
            self.save_now(runner)

    def after_train(self, runner: Any) -> None:
        super().after_train(runner)
        if self.failure is not None:
            raise self.failure

    def _note_success(self) -> None:
        self.failure = None
        self._set_clock()

    def _set_clock(self) -> None:
        self.due = None if self.minutes is None else time.monotonic() + 60 * self.minutes

    def save_now(self, runner: Any) -> str:
        """Save between two checkpoints of the schedule; the path."""
        name = f'iter_{runner.iter + 1}.pth'
        path = os.path.join(str(self.out_dir), name)
        if path == self.last_ckpt and os.path.isfile(path):  # the schedule has just saved this step, and keeps it
            return path
        with self._replacing(runner):
            runner.message_hub.update_info(INTERIM, path)
            runner.message_hub.update_info('last_ckpt', path)
            runner.save_checkpoint(
                self.out_dir, name, save_optimizer=self.save_optimizer,
                save_param_scheduler=self.save_param_scheduler, by_epoch=False, backend_args=self.backend_args,
                meta=dict(epoch=runner.epoch, iter=runner.iter + 1))
            self.last_ckpt = path
            if is_main_process():
                AtomicBackend().put(path.encode(), os.path.join(runner.work_dir, LAST))
            self._note_success()
        return path

    def _save_checkpoint_with_step(self, runner: Any, step: int, meta: dict) -> None:
        with self._replacing(runner):
            runner.message_hub.runtime_info.pop(INTERIM, None)
            super()._save_checkpoint_with_step(runner, step, meta)
            self._note_success()

    def _save_best_checkpoint(self, runner: Any, metrics: dict) -> None:
        with self._replacing(runner):
            super()._save_best_checkpoint(runner, metrics)

    @contextlib.contextmanager
    def _replacing(self, runner: Any) -> Iterator[None]:
        """Remove what a checkpoint replaces after it is written; where it cannot be, keep all as it was."""
        remove = self.file_backend.remove
        doomed: list[str] = []
        info = dict(runner.message_hub.runtime_info)
        kept = self.last_ckpt, list(getattr(self, 'keep_ckpt_ids', ()))
        self.file_backend.remove = doomed.append
        try:
            yield
        except InputError as error:
            self.last_ckpt = kept[0]
            if hasattr(self, 'keep_ckpt_ids'):
                self.keep_ckpt_ids.clear()
                self.keep_ckpt_ids.extend(kept[1])
            runner.message_hub.runtime_info.clear()
            runner.message_hub.runtime_info.update(info)
            self.failure = error
            self.due = time.monotonic() + RETRY_SECONDS
            runner.logger.error(f'{error}; training goes on, and tries again in {RETRY_SECONDS} seconds')
            return
        finally:
            self.file_backend.remove = remove
        interim = info.get(INTERIM)
        if interim and is_main_process() and os.path.isfile(interim):
            doomed.append(interim)
        for path in set(doomed) - {self.last_ckpt, getattr(self, 'best_ckpt_path', None)}:
            remove(path)

    def before_save_checkpoint(self, runner: Any, checkpoint: dict) -> None:
        checkpoint['meta'].update(max_iters=runner.max_iters, samples=getattr(runner.train_loop, 'samples', None))
        for key in set(checkpoint) - {'state_dict', 'optimizer'}:
            checkpoint[key] = to_plain(checkpoint[key])

    def after_load_checkpoint(self, runner: Any, checkpoint: dict) -> None:
        if 'message_hub' in checkpoint:
            checkpoint['message_hub'] = from_plain(checkpoint['message_hub'])
        meta: dict[str, Any] = checkpoint.get('meta', {})
        if not runner._resume or not meta:
            return
        own_meta = getattr(runner.train_dataloader.dataset, 'metainfo', None)
        if meta.get('dataset_meta') == to_plain(own_meta):
            meta['dataset_meta'] = own_meta  # mmengine compares pickles, which differ for equal contents
        if meta.get('max_iters', runner.max_iters) != runner.max_iters:
            runner.logger.warning(
                f'The schedule of the run that is resumed ends after {meta["max_iters"]} iterations, the config\'s '
                f'after {runner.max_iters}. The learning rate follows the former. To train on with the config\'s '
                'schedule, start a new run with load_from.')
