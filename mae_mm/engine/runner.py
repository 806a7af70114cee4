"""mmengine's runner, which reads checkpoints safely and loads them loudly."""
import contextlib
import functools
import logging
import os
import re
import time
from collections.abc import Iterator, Sequence
from itertools import count
from typing import Any, ClassVar

import mmengine
from mmengine.dist import is_main_process, master_only
from mmengine.logging import MMLogger
from mmengine.model import BaseTTAModel, is_model_wrapper
from mmengine.runner import BaseLoop
from mmengine.runner import Runner as _Runner
from mmengine.visualization import LocalVisBackend
from torch import nn
from torch.distributed.algorithms.ddp_comm_hooks import default_hooks
from torch.nn.parallel import DistributedDataParallel

from ..checkpoint.background import BackgroundWriter
from ..checkpoint.loading import load_into, start_from, weights_for
from ..checkpoint.reading import meta_of, read_checkpoint
from ..errors import Incomplete, InputError
from ..registry import RUNNERS
from .checkpoints import CheckpointHook
from .compiling import compile_model
from .resume import incomplete
from .workdir import forgiving, told_once
from .workers import lost_worker, start_worker

# mmengine's notes on its own deprecated parts, which it uses by itself.
_LOG_NOISE = re.compile(r'"FileClient" will be deprecated|"HardDiskBackend" is the alias|'
                        r'Reach the end of the dataloader')
# What the log file has and the console does not: hundreds of lines before the first of training.
_FILE_ONLY = re.compile(r'\s*-+\s+System environment:|Config:\n|Hooks will be executed in|Distributed training is not|'
                        r'Checkpoints will be saved to|Exp name: ')


SENT = dict(bfloat16=default_hooks.bf16_compress_hook, float16=default_hooks.fp16_compress_hook)  # of gradients


@RUNNERS.register_module()
class Runner(_Runner):
    """``load_from``, ``resume`` and tests take a file of any known format and refuse one that does not match.

    Training that starts from a file (``load_from``) may take a part of a model, as of a pre-training file the
    backbone alone.
    """

    samples_done: int | None = None  # of the run that is resumed: how far its loop was
    checkpoint_writer: BackgroundWriter | None = None  # the checkpoint hook's, while it trains
    _is_compiled = False
    in_the_way: Sequence[str] = ()  # checkpoints of an earlier run, to be removed before the first step
    _timestamp: str
    _times_taken: ClassVar[set[str]] = set()

    def setup_env(self, env_cfg: dict) -> None:
        """mmengine's, whose time stamp becomes the run's name: two runs of one second get different ones.

        Of the same name they would share a logger, a scope of registries and a log folder.
        """
        super().setup_env(env_cfg)
        seconds = self._timestamp
        following = (f'{seconds}_{number}' for number in count(2))
        while self._timestamp in self._times_taken:
            self._timestamp = next(following)
        self._times_taken.add(self._timestamp)

    def build_logger(self, *args: Any, **kwargs: Any) -> MMLogger:
        """mmengine's, which leaves out its notes on itself, and on the console what nobody reads there.

        A disk that is full ends the log and not the run.
        """
        logger = super().build_logger(*args, **kwargs)
        for handler in logger.handlers:
            handler.addFilter(lambda record: not _LOG_NOISE.search(record.getMessage()))
            if isinstance(handler, logging.FileHandler):
                handler.handleError = told_once(handler.baseFilename)  # type: ignore[method-assign]
            else:
                handler.addFilter(lambda record: not _FILE_ONLY.match(record.getMessage()))
        return logger

    def build_visualizer(self, visualizer: Any = None) -> Any:
        """mmengine's, of this run alone: those of one name are one, and draw into the first one's folder."""
        if isinstance(visualizer, dict):
            visualizer = dict(visualizer, name=self._experiment_name)
        built = super().build_visualizer(visualizer)
        for backend in built._vis_backends.values():
            if isinstance(backend, LocalVisBackend):
                backend._dump = forgiving(backend._dump)  # type: ignore[method-assign]
        return built

    @master_only
    def dump_config(self) -> None:
        """mmengine's, but where the work dir holds the config itself, beside it as ``NAME_as_run.py``."""
        name = os.path.basename(self.cfg.filename or '') or f'{self.timestamp}.py'
        target = os.path.join(self.work_dir, name)
        if self.cfg.filename and os.path.realpath(target) == os.path.realpath(self.cfg.filename):
            target = f'{os.path.splitext(target)[0]}_as_run.py'
        self.cfg.dump(target)

    @staticmethod
    def build_dataloader(*args: Any, **kwargs: Any) -> Any:
        """mmengine's, whose workers leave signals to the run."""
        loader = _Runner.build_dataloader(*args, **kwargs)
        loader.worker_init_fn = functools.partial(start_worker, loader.worker_init_fn)
        return loader

    def train(self) -> Any:
        """mmengine's; data loaders' workers end with it, and what it saved is on the disk."""
        with self._workers():
            try:
                return super().train()
            finally:
                for hook in self.hooks:
                    if isinstance(hook, CheckpointHook):
                        hook.finish(self)

    def val(self) -> dict[str, float]:
        """mmengine's; data loaders' workers end with it."""
        with self._workers():
            return super().val()

    def test(self) -> dict[str, float]:
        """mmengine's; data loaders' workers end with it."""
        with self._workers():
            return super().test()

    @contextlib.contextmanager
    def _workers(self) -> Iterator[None]:
        """Data loaders' workers end with what is done here; one that was killed is told in a line.

        Raises:
            Incomplete: a worker was killed.
        """
        try:
            yield
        except Exception as error:  # torch raises its own wherever the process is, inside others' handlers too
            lost = lost_worker(error)
            if lost is None:
                raise
            raise Incomplete(f'{lost}; fewer workers (train_dataloader.num_workers) take less') from error
        finally:
            self._end_workers()

    def _end_workers(self) -> None:
        """Else the garbage collector waits five seconds for each, in the middle of the next run of a notebook."""
        for loop in (self._train_loop, self._val_loop, self._test_loop):
            for owner in (getattr(loop, 'dataloader', None), getattr(loop, 'dataloader_iterator', None)):
                iterator: Any = getattr(owner, '_iterator', None)
                if owner is not None and hasattr(iterator, '_shutdown_workers'):
                    try:
                        iterator._shutdown_workers()
                    except RuntimeError as error:  # one was killed while it ended, with nothing left to do
                        if lost_worker(error) is None:
                            raise
                    owner._iterator = None

    def wrap_model(self, model_wrapper_cfg: dict | None, model: nn.Module) -> nn.Module:
        """mmengine's; with ``gradients='bfloat16'`` (or float16) in the section, processes send half as many bytes."""
        section = model_wrapper_cfg and dict(model_wrapper_cfg)
        gradients = section and section.pop('gradients', None)
        if gradients not in (None, *SENT):
            raise InputError(f'model_wrapper_cfg.gradients={gradients!r} is none of {", ".join(SENT)}')
        wrapped = super().wrap_model(section, model)
        if gradients and isinstance(wrapped, DistributedDataParallel):
            wrapped.register_comm_hook(None, SENT[gradients])
        return wrapped

    def save_checkpoint(self, out_dir: str, filename: str, file_client_args: dict | None = None,
                        save_optimizer: bool = True, save_param_scheduler: bool = True, meta: dict | None = None,
                        by_epoch: bool = True, backend_args: dict | None = None) -> None:
        """mmengine's, which goes on while the file is written (:class:`CheckpointHook`)."""
        if self.checkpoint_writer is None:
            super().save_checkpoint(out_dir, filename, file_client_args, save_optimizer, save_param_scheduler, meta,
                                    by_epoch, backend_args)
            return
        optimizer = self.optim_wrapper.state_dict() if save_optimizer else None  # ZeRO's: gathered from all processes
        if not is_main_process():
            return
        place = dict(epoch=self.epoch + by_epoch, iter=self.iter + (not by_epoch))
        checkpoint: dict[str, Any] = dict(
            meta=dict({**place, **(meta or {})}, cfg=self.cfg.pretty_text, seed=self.seed,
                      experiment_name=self.experiment_name, time=time.strftime('%Y%m%d_%H%M%S'),
                      mmengine_version=mmengine.__version__),
            state_dict=self.bare_model.state_dict(), message_hub=self.message_hub.state_dict())
        if hasattr(self.train_dataloader.dataset, 'metainfo'):
            checkpoint['meta']['dataset_meta'] = self.train_dataloader.dataset.metainfo
        if optimizer is not None:
            checkpoint['optimizer'] = optimizer
        if save_param_scheduler and self.param_schedulers is not None:
            checkpoint['param_schedulers'] = [scheduler.state_dict() for scheduler in self.param_schedulers]
        self.call_hook('before_save_checkpoint', checkpoint=checkpoint)
        self.checkpoint_writer.write(checkpoint, os.path.join(out_dir, filename))

    def scale_lr(self, optim_wrapper: Any, auto_scale_lr: dict | None = None) -> None:
        """mmengine's, which leaves out that gradients of several batches make one step."""
        if auto_scale_lr:
            base = auto_scale_lr['base_batch_size'] / optim_wrapper._accumulative_counts
            auto_scale_lr = dict(auto_scale_lr, base_batch_size=base)
        super().scale_lr(optim_wrapper, auto_scale_lr)

    def load_or_resume(self) -> None:
        """mmengine's, in a training and in a test; then ``compile`` of the config is followed."""
        super().load_or_resume()
        options = self.cfg.get('compile')
        if options and not self._is_compiled:
            compile_model(self.bare_model, **(options if isinstance(options, dict) else {}))
            self._is_compiled = True
            self.logger.info('The model is compiled: its first iterations are slow.')

    def _maybe_compile(self, target: str) -> None:
        """Not mmengine's, which compiles a whole step."""

    @property
    def bare_model(self) -> nn.Module:
        """The model itself, in whatever wraps it."""
        model = self.model
        while is_model_wrapper(model) or isinstance(model, BaseTTAModel):
            model = model.module
        return model

    def load_checkpoint(self, filename: str, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """The whole checkpoint, on the CPU; its weights are in the model then.

        Raises:
            ValueError: see :func:`mae_mm.checkpoint.read_checkpoint` and :func:`mae_mm.checkpoint.load_into`.
        """
        checkpoint = read_checkpoint(filename)
        problem = incomplete(checkpoint, filename) if self._resume else None
        if problem:
            raise InputError(problem)
        if self._resume:
            self.samples_done = checkpoint['meta'].get('samples')
        if isinstance(checkpoint, dict) and 'meta' in checkpoint:
            checkpoint['meta'] = meta_of(checkpoint)  # whatever a file holds there
        if isinstance(checkpoint, dict):
            self.call_hook('after_load_checkpoint', checkpoint=checkpoint)
        model = self.bare_model
        weights = weights_for(model, checkpoint, filename)
        training = isinstance(self._train_loop, BaseLoop)
        if training and not self._resume:
            start_from(model, weights, filename, self.cfg.get('bands'))
        else:
            load_into(model, weights, filename)
        self._has_loaded = True
        return checkpoint
