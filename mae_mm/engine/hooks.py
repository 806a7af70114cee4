"""Hooks: exact resuming, buffers in step, bounded history, fading masks, a stop at other classes."""
from collections.abc import Sequence
from typing import Any

import torch
from mmengine.device import get_device
from mmengine.dist import all_reduce_params, get_rank, is_distributed
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import BaseLoop

from ..checkpoint.reading import class_names_of
from ..datasets.sampling import seed_all
from ..errors import InputError, listed
from ..registry import HOOKS


@HOOKS.register_module()
class SeedStepHook(Hook):
    """Seeds every training step by the run's seed, the iteration and the process: see ``datasets/sampling.py``."""

    def before_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None) -> None:
        seed_all(runner.seed, runner.iter, get_rank())
        if get_device() != 'cpu':
            torch.manual_seed(torch.initial_seed())  # of all devices


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
class AnnealMasksHook(Hook):
    """Lets the queries of a :class:`~mae_mm.models.MaskHead` attend beyond their masks by and by, layer after layer.

    The share of the queries that is kept within its mask falls from 1 to 0 for the first of the layers, then for the
    next (EoMT, arXiv:2503.19108, whose power is 0.9).

    Args:
        begin: the share of the run after which the first layer's begins to fall.
        end: the one after which the last layer's is 0.
    """

    def __init__(self, begin: float = 1 / 6, end: float = 5 / 6, power: float = .9):
        if not 0 <= begin < end <= 1:
            raise InputError(f'AnnealMasksHook: begin={begin} and end={end} are shares of the run, '
                             'the first of them the lesser')
        self.begin, self.end, self.power = begin, end, power

    def before_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None) -> None:
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        number = len(model.decode_head.shares)
        done = (runner.iter / runner.max_iters - self.begin) / (self.end - self.begin) * number  # layers
        model.decode_head.set_shares([(1 - min(max(done - i, 0.), 1.))**self.power for i in range(number)])


@HOOKS.register_module()
class BoundHistoryHook(Hook):
    """Keeps the last values of each scalar that mmengine's log averages over, and not all since the start.

    It appends to an array that it copies each time: 8.6 ms an iteration at 500,000 of them.

    Args:
        values: how many, or an epoch of any data loader if that is more.
    """

    def __init__(self, values: int = 10_000):
        self.values = values

    def before_train(self, runner: Any) -> None:
        validation = 0 if runner.val_loop is None else len(runner.val_dataloader)
        self.values = max(self.values, len(runner.train_dataloader), validation)

    def before_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None) -> None:
        for history in runner.message_hub.log_scalars.values():
            history.max_length = self.values


@HOOKS.register_module()
class CheckClassesHook(Hook):
    """Stops a classifier or a segmentor whose head, training data or checkpoint has other classes than the data.

    Classes of label maps without names, which are called by their numbers, may be any.

    Raises:
        ValueError: with the numbers, or with a class that is not in both.
    """

    def __init__(self) -> None:
        self.known: tuple[str, Sequence[str]] | None = None  # where classes were seen first, and their names

    def after_load_checkpoint(self, runner: Any, checkpoint: dict) -> None:
        classes = class_names_of(checkpoint)
        if classes and not isinstance(runner._train_loop, BaseLoop):  # a test
            self.known = 'the checkpoint', classes

    def before_train(self, runner: Any) -> None:
        self._check(runner, 'train_dataloader')
        if runner.val_loop is not None:
            self._check(runner, 'val_dataloader')

    def before_val(self, runner: Any) -> None:
        self._check(runner, 'val_dataloader')

    def before_test(self, runner: Any) -> None:
        self._check(runner, 'test_dataloader')

    def _check(self, runner: Any, loader: str) -> None:
        classes = getattr(runner, loader).dataset.metainfo.get('classes')
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        model = getattr(model, 'module', model)  # of a test at several scales
        number = getattr(getattr(model, 'head', None), 'num_classes', None)
        segments = hasattr(model, 'decode_head')
        if classes is None or not segments and number is None or segments and all(map(str.isdigit, classes)):
            return
        if number is not None and len(classes) != number:
            raise InputError(f'{loader} has {len(classes)} classes and the head {number}; --cfg-options model.head.'
                             f'num_classes={len(classes)} model.data_preprocessor.num_classes={len(classes)}')
        where, names = self.known = self.known or (loader, classes)
        if list(classes) != list(names) and not (segments and all(map(str.isdigit, names))):
            strange = sorted(set(classes) - set(names))
            raise InputError(f'{loader} has other classes than {where}: {listed(strange) or "in another order"}')
