"""Hooks: exact resuming, safe checkpoints, buffers in step, a stop where the loss is not finite."""
import contextlib
import math
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from mmengine.dist import all_reduce_params, get_rank, is_distributed
from mmengine.hooks import CheckpointHook as _CheckpointHook
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import BaseLoop

from ..checkpoint.writing import ATOMIC, from_plain, sweep_unfinished, to_plain
from ..datasets.sampling import seed_all
from ..errors import InputError, listed
from ..registry import HOOKS


@HOOKS.register_module()
class SeedStepHook(Hook):
    """Seeds every training step by the run's seed, the iteration and the process: see ``datasets/sampling.py``."""

    def before_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None) -> None:
        seed_all(runner.seed, runner.iter, get_rank())


@HOOKS.register_module()
class SyncBuffersHook(Hook):
    """Averages batch norms' statistics over the processes after each step, as SyncBN would have.

    mmengine's does so before validation, when a checkpoint of the same iteration has been written already.
    """

    def after_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None,
                         outputs: dict | None = None) -> None:
        if is_distributed():
            all_reduce_params(runner.model.buffers(), op='mean')


@HOOKS.register_module()
class CheckpointHook(_CheckpointHook):
    """mmengine's hook with nothing lost and nothing to run in the file.

    - A file is written whole or not at all, and older ones are removed after it is there, not before.
    - It holds tensors and builtin types only, so that it loads with ``weights_only=True``.
    - Resuming with a schedule of another length says so.
    """

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, backend_args=dict(backend=ATOMIC), **kwargs)

    def before_train(self, runner: Any) -> None:
        super().before_train(runner)
        if get_rank() == 0:
            sweep_unfinished(str(self.out_dir))

    def _save_checkpoint_with_step(self, runner: Any, step: int, meta: dict) -> None:
        with self._removing_afterwards():
            super()._save_checkpoint_with_step(runner, step, meta)

    def _save_best_checkpoint(self, runner: Any, metrics: dict) -> None:
        with self._removing_afterwards():
            super()._save_best_checkpoint(runner, metrics)

    @contextlib.contextmanager
    def _removing_afterwards(self) -> Iterator[None]:
        remove = self.file_backend.remove
        doomed: list[str] = []
        self.file_backend.remove = doomed.append
        try:
            yield
        finally:
            self.file_backend.remove = remove
        for path in set(doomed) - {self.last_ckpt, getattr(self, 'best_ckpt_path', None)}:
            remove(path)

    def before_save_checkpoint(self, runner: Any, checkpoint: dict) -> None:
        checkpoint['meta']['max_iters'] = runner.max_iters
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


@HOOKS.register_module()
class CheckLossHook(Hook):
    """Stops a run whose loss is not finite, before anything is saved, and names the images of the batch.

    Raises:
        ValueError: with the iteration, the images and what can be gone on from.
    """
    priority = 'VERY_HIGH'

    def after_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None,
                         outputs: dict | None = None) -> None:
        loss = torch.as_tensor((outputs or {}).get('loss', 0.)).item()
        if math.isfinite(loss):
            return
        paths = [str(sample.get('img_path')) for sample in data_batch['data_samples']]
        runner.logger.error(f'The loss is {loss} in iteration {runner.iter + 1}, for: {", ".join(paths)}')
        more = f' and {len(paths) - 4} more, which the log names' if len(paths) > 4 else ''
        last = runner.message_hub.runtime_info.get('last_ckpt')
        kept = f'{last} is kept, and --resume goes on from there' if last else 'there is no checkpoint yet'
        raise InputError(f'the loss is {loss} in iteration {runner.iter + 1}, for {", ".join(paths[:4])}{more}; '
                         f'{kept}; check these images, or lower the learning rate')


@HOOKS.register_module()
class CheckClassesHook(Hook):
    """Stops a classifier whose head, training data or checkpoint has other classes than the data.

    Raises:
        ValueError: with the numbers, or with a class that is not in both.
    """

    def __init__(self) -> None:
        self.known: tuple[str, Sequence[str]] | None = None  # where classes were seen first, and their names

    def after_load_checkpoint(self, runner: Any, checkpoint: dict) -> None:
        classes = checkpoint.get('meta', {}).get('dataset_meta', {}).get('classes')
        if classes and not isinstance(runner._train_loop, BaseLoop):  # a test
            self.known = 'the checkpoint', classes

    def before_train(self, runner: Any) -> None:
        self._check(runner, 'train_dataloader')

    def before_val(self, runner: Any) -> None:
        self._check(runner, 'val_dataloader')

    def before_test(self, runner: Any) -> None:
        self._check(runner, 'test_dataloader')

    def _check(self, runner: Any, loader: str) -> None:
        classes = getattr(runner, loader).dataset.metainfo.get('classes')
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        if classes is None or not hasattr(model.head, 'num_classes'):
            return
        number = model.head.num_classes
        if len(classes) != number:
            raise InputError(f'{loader} has {len(classes)} classes and the head {number}; --cfg-options model.head.'
                             f'num_classes={len(classes)} model.data_preprocessor.num_classes={len(classes)}')
        where, names = self.known = self.known or (loader, classes)
        if list(classes) != list(names):
            strange = sorted(set(classes) - set(names))
            raise InputError(f'{loader} has other classes than {where}: {listed(strange) or "in another order"}')
