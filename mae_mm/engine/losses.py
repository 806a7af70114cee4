"""Hooks that watch the loss: one that is not finite, and one of a batch without labels."""
import contextlib
import json
import math
import os
import re
from collections import defaultdict, deque
from collections.abc import Sequence
from typing import Any

import torch
from mmengine.dist import all_reduce, get_world_size
from mmengine.hooks import Hook
from torch import Tensor

from ..checkpoint.writing import AtomicBackend
from ..datasets.labels import IGNORED
from ..errors import InputError, Stopped, listed
from ..registry import HOOKS
from .steps import iterations_of_step, scale_of

LEFT_OUT = 'left_out.json'  # in the work dir: iterations that a run that went back leaves out
_LAYER = re.compile(r'.*?\.layers\.\d+|[^.]+\.[^.]+|[^.]+')


class BadLoss(InputError):
    """A loss that is not finite, in a run that may go back: its iterations are noted, to be left out."""


def left_out(work_dir: str) -> list[list[int]]:
    """The iterations that the run of a work dir leaves out, those of each time that it went back."""
    path = os.path.join(work_dir, LEFT_OUT)
    try:
        with open(path) as file:
            return [[int(iteration) for iteration in iterations] for iterations in json.load(file)]
    except FileNotFoundError:
        return []
    except (OSError, TypeError, ValueError) as error:
        raise InputError(f'{path} is damaged ({error}); remove it') from error


def forget_left_out(work_dir: str) -> None:
    """A new run leaves out nothing."""
    with contextlib.suppress(FileNotFoundError):
        os.remove(os.path.join(work_dir, LEFT_OUT))


@HOOKS.register_module()
class CheckLossHook(Hook):
    """Stops a run whose loss is not finite, before anything is saved, and names the images of the batch.

    On a card the loss is read while the next step runs, and before a checkpoint is saved. The log then has the norms
    of the gradients by layer in the last step that was finite. Where the loss is scaled
    (float16), a step that overflows is none: the scaler leaves it out, and the log's means leave its loss out.

    Args:
        skips: so many steps in a row that the scaler leaves out stop the run.
        go_back: so many times a run goes on from its last checkpoint instead, without the batches of such a step.

    Raises:
        ValueError: with the iteration, the images and what can be gone on from; :class:`BadLoss` if it may go back.
    """
    priority = 'HIGHEST'  # before what the step gave is put into the history

    def __init__(self, skips: int = 20, go_back: int = 0):
        self.skips, self.go_back = skips, go_back
        self.in_a_row = self.skipped = 0
        self.scale: float | None = None
        self.norms: deque[dict[str, Tensor]] = deque(maxlen=3)  # of the parameters' gradients, in the last steps

    def before_train(self, runner: Any) -> None:
        self.scale = scale_of(runner.optim_wrapper)
        named = dict(runner.model.named_parameters())

        def note(*_: Any) -> None:
            grads = {name: parameter.grad for name, parameter in named.items() if parameter.grad is not None}
            self.norms.append(dict(zip(grads, torch._foreach_norm(list(grads.values())), strict=True)))

        runner.optim_wrapper.optimizer.register_step_pre_hook(note)

    def after_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None,
                         outputs: dict | None = None) -> None:
        outputs = outputs if outputs is not None else {}
        loss = torch.as_tensor(outputs.get('loss', 0.)).item()
        scale = scale_of(runner.optim_wrapper)
        if scale is None and math.isfinite(loss):
            return
        if scale is not None and self._survives(runner, loss, scale):
            if not math.isfinite(loss):
                outputs.clear()
            return
        self._stop(runner, loss, getattr(outputs, 'iteration', runner.iter),
                   getattr(outputs, 'data_batch', data_batch)['data_samples'])

    def before_save_checkpoint(self, runner: Any, checkpoint: dict) -> None:
        self._look(runner)

    def before_val(self, runner: Any) -> None:
        self._look(runner)

    def after_train(self, runner: Any) -> None:
        self._look(runner)

    def _look(self, runner: Any) -> None:
        """At the last step, whose loss is still to be read."""
        late = getattr(runner._train_loop, 'late', None)
        outputs = late.read() if late else None
        if outputs and not math.isfinite(outputs.get('loss', 0.)):
            self._stop(runner, outputs['loss'], outputs.iteration, outputs.data_batch['data_samples'])

    def _survives(self, runner: Any, loss: float, scale: float) -> bool:
        """Whether a run with a scaled loss goes on: the scaler leaves out steps that overflow, and scales less."""
        overflow = self.scale is not None and scale < self.scale or not math.isfinite(loss)
        self.scale = scale
        self.in_a_row = self.in_a_row + 1 if overflow else 0
        if overflow:
            self.skipped += 1
            runner.logger.info(f'Iteration {runner.iter + 1} overflows and is left out, {self.skipped} so far; the '
                               f'loss is scaled by {scale:g} now')
        return self.in_a_row < self.skips

    def _stop(self, runner: Any, loss: float, place: int, samples: Sequence[Any]) -> None:
        paths = [str(sample.get('img_path')) for sample in samples]
        iteration = place + 1
        what = (f'{self.in_a_row} iterations in a row overflow, the last of them {iteration}' if self.in_a_row else
                f'the loss is {loss} in iteration {iteration}')
        runner.logger.error(f'{what}, for: {", ".join(paths)}')
        more = f' and {len(paths) - 4} more, which the log names' if len(paths) > 4 else ''
        told = f'{what}, for {", ".join(paths[:4])}{more}{self._largest(runner)}'
        if len(left_out(runner.work_dir)) < self.go_back:
            self._leave_out(runner, place, told)
        last = runner.message_hub.runtime_info.get('last_ckpt')
        kept = f'{last} is kept, and --resume goes on from there' if last else 'there is no checkpoint yet'
        raise InputError(f'{told}; {kept}; check these images, or lower the learning rate')

    def _largest(self, runner: Any) -> str:
        """Log the gradients' norms of the last finite step; the largest as a part of a sentence."""
        finite = [norms for norms in self.norms if all(torch.isfinite(norm) for norm in norms.values())]
        if not finite:
            return ''
        squares: dict[str, float] = defaultdict(float)
        for name, norm in finite[-1].items():
            squares[_LAYER.match(name.removeprefix('module.'))[0]] += norm.item()**2  # type: ignore[index]
        norms = {layer: math.sqrt(square) for layer, square in squares.items()}
        lines = [f'  {layer:<40} {norm:.3g}' for layer, norm in norms.items()]
        runner.logger.error('\n'.join(['Norms of the gradients in the last step that was finite, by layer:', *lines]))
        layer = max(norms, key=lambda layer: norms[layer])
        return f'; the largest gradient before was that of {layer} (norm {norms[layer]:.3g}; the log has all)'

    def _leave_out(self, runner: Any, place: int, told: str) -> None:
        """Note the iterations, whole steps of them, and stop: they are left out when the run goes on."""
        parts = iterations_of_step(runner)
        first = place - max(self.in_a_row - 1, 0)
        bad = list(range(first // parts * parts, (place // parts + 1) * parts))
        noted = left_out(runner.work_dir)
        if bad not in noted:  # another process of the run may have done so
            AtomicBackend().put(json.dumps([*noted, bad]).encode(), os.path.join(runner.work_dir, LEFT_OUT))
        if get_world_size() > 1:  # the others do not know
            raise Stopped(f'{told}; --resume goes on without these iterations')
        raise BadLoss(told)


@HOOKS.register_module()
class UnlabelledHook(Hook):
    """Counts batches of a segmentation in which no pixel has a class, and leaves them out of the log's means."""
    priority = 'HIGHEST'

    def __init__(self) -> None:
        self.number = 0
        self.last = -1  # iteration of such a batch

    def after_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None,
                         outputs: dict | None = None) -> None:
        labels = [sample.gt_sem_seg.data for sample in data_batch['data_samples']]
        unlabelled = not any(bool((label != IGNORED).any()) for label in labels)
        before, self.last = self.last, runner.iter if unlabelled else -1
        place = getattr(outputs, 'iteration', runner.iter)  # on a card the step before
        if outputs is not None and place in (before, self.last):
            outputs.clear()
        if not unlabelled:
            return
        self.number += 1
        if self.number == 1:
            paths = [str(sample.get('seg_map_path')) for sample in data_batch['data_samples']]
            runner.logger.warning(f'No pixel of the batch of iteration {runner.iter + 1} has a class: '
                                  f'{listed(paths)}; such batches are left out of the means, and counted')

    def after_train(self, runner: Any) -> None:
        number = torch.tensor(self.number)
        all_reduce(number)
        if number:
            runner.logger.warning(f'{number} batches had no pixel with a class, and were left out of the means')
