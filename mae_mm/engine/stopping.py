"""Stopping in good order when the machine is taken away."""
import contextlib
import signal
import threading
from typing import Any

import torch
from mmengine.dist import all_reduce, get_world_size
from mmengine.hooks import Hook

from ..errors import Stopped
from ..registry import HOOKS
from .checkpoints import CheckpointHook
from .steps import iterations_of_step
from .workers import SIGNALS


@HOOKS.register_module()
class StopHook(Hook):
    """On SIGTERM, SIGHUP or SIGUSR1 (Slurm's ``--signal=USR1@60``): end the step, save, stop.

    Processes of one run stop at the same step; where there are several they agree on it every few steps.

    Args:
        interval: steps between two agreements.

    Raises:
        Stopped: after the checkpoint is written.
    """
    priority = 'LOWEST'

    def __init__(self, interval: int = 10):
        self.interval = interval
        self.received: signal.Signals | None = None
        self._before: dict[signal.Signals, Any] = {}

    def _receive(self, number: int, _: Any) -> None:
        self.received = signal.Signals(number)

    def before_train(self, runner: Any) -> None:
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._receive) for number in SIGNALS
                            if signal.getsignal(number) != signal.SIG_IGN}  # nohup ignores SIGHUP

    def after_run(self, runner: Any) -> None:
        for number, handler in self._before.items():
            with contextlib.suppress(TypeError):  # one that was not set by Python
                signal.signal(number, handler)
        self._before = {}

    def after_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        if (runner.iter + 1) % iterations_of_step(runner) or not self._agreed(runner):
            return
        self.after_run(runner)
        saves = next((hook for hook in runner.hooks if isinstance(hook, CheckpointHook)), None)
        path = saves.save_now(runner) if saves else None
        if saves:
            saves.finish(runner)
            if saves.failure:
                raise saves.failure
        name = self.received.name if self.received else 'a signal to another process'
        raise Stopped(f'stopped by {name} after iteration {runner.iter + 1}; '
                      + (f'{path} is written, and --resume goes on from there' if path else 'nothing was saved'))

    def _agreed(self, runner: Any) -> bool:
        if get_world_size() == 1:
            return self.received is not None
        if (runner.iter + 1) % self.interval:
            return False
        flag = torch.tensor(float(self.received is not None), device=next(runner.model.parameters()).device)
        all_reduce(flag, 'max')
        return bool(flag)
