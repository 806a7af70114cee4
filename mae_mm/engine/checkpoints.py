"""When checkpoints are written, and what is in them."""
import contextlib
import os
import time
from collections.abc import Callable, Iterator
from copy import copy
from typing import Any

from mmengine.dist import is_main_process
from mmengine.hooks import CheckpointHook as _CheckpointHook

from ..checkpoint.background import BackgroundWriter
from ..checkpoint.reading import meta_of
from ..checkpoint.writing import HASHED, AtomicBackend, from_plain, sweep_unfinished, to_plain
from ..errors import InputError
from ..registry import HOOKS
from .resume import LAST
from .steps import iterations_of_step
from .workdir import remove

RETRY_SECONDS = 60
INTERIM = 'interim_ckpt'  # in the message hub: the checkpoint between those of the schedule
# What tells which checkpoints there are: in the message hub, beside ``best_*``, and in the hook.
NOTED, OWN = (INTERIM, 'last_ckpt', 'keep_ckpt_ids'), ('last_ckpt', 'keep_ckpt_ids', 'best_ckpt_path',
                                                       'best_ckpt_path_dict')


def _noted(info: dict) -> dict:
    return {key: value for key, value in info.items() if key in NOTED or key.startswith('best_')}


def _forget(runner: Any, key: str) -> None:
    """Else mmengine warns of it at the next resume."""
    runner.message_hub.runtime_info.pop(key, None)
    runner.message_hub._resumed_keys.pop(key, None)


@HOOKS.register_module()
class CheckpointHook(_CheckpointHook):
    """mmengine's hook with nothing lost and nothing to run in the file.

    - A file is written whole or not at all, with its hash beside it, and older ones are removed after that. Training
      waits for a copy in memory alone; the next save, and the end, wait for the disk.
    - It holds tensors and builtin types only, so that it loads with ``weights_only=True``.
    - A disk that is full or read-only is reported; training goes on, and tries again after a minute.
    - Resuming with a schedule of another length says so.

    Args:
        minutes: also save after so many minutes, within an epoch too; the next checkpoint replaces such a one.
        kwargs: those of mmengine's hook.
    """

    last_ckpt: str | None
    _default_greater_keys = [*_CheckpointHook._default_greater_keys, 'mFscore', 'mPrecision', 'mRecall']
    _default_less_keys = [*_CheckpointHook._default_less_keys, 'held_out_mse', 'mCE']

    def __init__(self, *args: Any, minutes: float | None = None, **kwargs: Any):
        super().__init__(*args, backend_args=dict(backend=HASHED), **kwargs)
        if minutes is not None and not minutes > 0:
            raise InputError(f'default_hooks.checkpoint.minutes={minutes} is not a number above 0, or None')
        self.minutes = minutes
        self.due: float | None = None  # when to save next, whatever the schedule says
        self.failure: InputError | None = None  # of the last save
        self.writer = BackgroundWriter()
        self._take_back: Callable[[], None] | None = None  # what to do if the save that goes on fails

    def before_train(self, runner: Any) -> None:
        super().before_train(runner)
        self._take_over(runner)
        if getattr(runner, '_resume', False) and runner.iter >= runner.max_iters:
            runner.logger.warning('The run that is resumed has come to its end: there is nothing left to train')
        runner.checkpoint_writer = self.writer
        self._set_clock()
        if is_main_process():
            sweep_unfinished(str(self.out_dir))
            remove(getattr(runner, 'in_the_way', ()))  # mmengine's own runner has none

    def _take_over(self, runner: Any) -> None:
        """Of the checkpoints that a resumed run tells of, those in this run's folder are its own, to be replaced."""
        info = runner.message_hub.runtime_info
        for key in [key for key in info if key == INTERIM or key.startswith('best_ckpt')]:
            told, own = str(info[key]), os.path.join(str(self.out_dir), os.path.basename(str(info[key])))
            if os.path.isfile(own):
                info[key] = own
                continue
            _forget(runner, key)
            if key != INTERIM and os.path.isfile(told):
                runner.logger.info(f'The best checkpoint so far stays where it is: {told}')
        if hasattr(self, 'best_ckpt_path'):
            self.best_ckpt_path = info.get('best_ckpt')
        for name in getattr(self, 'best_ckpt_path_dict', {}):
            self.best_ckpt_path_dict[name] = info.get(f'best_ckpt_{name}')

    def after_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        if not self.writer.busy:
            self.finish(runner)
        super().after_train_iter(runner, batch_idx, data_batch, outputs)
        whole_step = (runner.iter + 1) % iterations_of_step(runner) == 0
        if self.due is not None and time.monotonic() >= self.due and whole_step:
            self.save_now(runner)

    def after_train(self, runner: Any) -> None:
        self.finish(runner)
        super().after_train(runner)
        if self.failure is not None:
            raise self.failure

    def _set_clock(self) -> None:
        self.due = None if self.minutes is None else time.monotonic() + 60 * self.minutes

    def save_now(self, runner: Any) -> str:
        """Save between two checkpoints of the schedule; the path."""
        name = f'iter_{runner.iter + 1}.pth'
        path = os.path.join(str(self.out_dir), name)
        self.finish(runner)
        if path == self.last_ckpt and os.path.isfile(path):  # the schedule has just saved this step, and keeps it
            return path
        with self._replacing(runner):
            runner.message_hub.update_info(INTERIM, path)
            self._save(runner, name, by_epoch=False, meta=dict(epoch=runner.epoch, iter=runner.iter + 1))
        return path

    def _save_checkpoint(self, runner: Any) -> None:
        with self._replacing(runner):
            super()._save_checkpoint(runner)

    def _save_best_checkpoint(self, runner: Any, metrics: dict) -> None:
        with self._replacing(runner):
            super()._save_best_checkpoint(runner, metrics)

    def _save_checkpoint_with_step(self, runner: Any, step: int, meta: dict) -> None:
        """mmengine's, which notes the last checkpoint before it is written."""
        _forget(runner, INTERIM)
        if self.max_keep_ckpts > 0 and step not in self.keep_ckpt_ids:
            if len(self.keep_ckpt_ids) == self.max_keep_ckpts:
                oldest = os.path.join(str(self.out_dir), self.filename_tmpl.format(self.keep_ckpt_ids.popleft()))
                if os.path.isfile(oldest):
                    self.file_backend.remove(oldest)
            self.keep_ckpt_ids.append(step)
            runner.message_hub.update_info('keep_ckpt_ids', list(self.keep_ckpt_ids))
        self._save(runner, self.filename_tmpl.format(step), by_epoch=self.by_epoch, meta=meta, **self.args)

    def _save(self, runner: Any, name: str, **options: Any) -> None:
        self.last_ckpt = os.path.join(str(self.out_dir), name)
        runner.message_hub.update_info('last_ckpt', self.last_ckpt)
        runner.save_checkpoint(
            self.out_dir, name, save_optimizer=self.save_optimizer, save_param_scheduler=self.save_param_scheduler,
            backend_args=self.backend_args, **options)

    @contextlib.contextmanager
    def _replacing(self, runner: Any) -> Iterator[None]:
        """Remove what a checkpoint replaces after it is written; where it cannot be, keep all as it was."""
        self.finish(runner)
        info, remove = runner.message_hub.runtime_info, self.file_backend.remove
        doomed = [info[INTERIM]] if INTERIM in info else []
        before, self._take_back = _noted(info), self._state(runner)
        self.file_backend.remove = doomed.append
        try:
            yield
        except InputError as error:  # of mmengine's own runner, which waits
            self._failed(runner, error)
            return
        finally:
            self.file_backend.remove = remove
        if _noted(info) == before:  # nothing was saved
            self._take_back = None
            return
        last = self.last_ckpt
        kept = {last, getattr(self, 'best_ckpt_path', None), *getattr(self, 'best_ckpt_path_dict', {}).values()}
        self._set_clock()

        def written() -> None:
            if last:
                AtomicBackend().put(last.encode(), os.path.join(runner.work_dir, LAST))
            for path in set(doomed) - kept:
                with contextlib.suppress(FileNotFoundError):
                    remove(path)

        if is_main_process():
            self.writer.then(written)

    def _state(self, runner: Any) -> Callable[[], None]:
        """What a save that fails has to take back."""
        info = runner.message_hub.runtime_info
        noted = _noted(info)
        own = {name: copy(getattr(self, name)) for name in OWN if hasattr(self, name)}

        def take_back() -> None:
            for key in _noted(info):
                del info[key]
            info.update(noted)
            self.__dict__.update(own)

        return take_back

    def finish(self, runner: Any) -> None:
        """Wait until the last save is on the disk; a failure is told, and tried again."""
        if self._take_back is None:
            return
        try:
            self.writer.finish()
            self.failure = self._take_back = None
        except InputError as error:
            self._failed(runner, error)

    def _failed(self, runner: Any, error: InputError) -> None:
        if self._take_back is not None:
            self._take_back()
        self.failure, self._take_back = error, None
        self.due = time.monotonic() + RETRY_SECONDS
        runner.logger.error(f'{error}; training goes on, and tries again in {RETRY_SECONDS} seconds')

    def before_save_checkpoint(self, runner: Any, checkpoint: dict) -> None:
        checkpoint['meta'].update(max_iters=runner.max_iters, samples=getattr(runner.train_loop, 'samples', None))
        for key in set(checkpoint) - {'state_dict', 'optimizer'}:
            checkpoint[key] = to_plain(checkpoint[key])

    def after_load_checkpoint(self, runner: Any, checkpoint: dict) -> None:
        if 'message_hub' in checkpoint:
            checkpoint['message_hub'] = from_plain(checkpoint['message_hub'])
        meta = meta_of(checkpoint)
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
