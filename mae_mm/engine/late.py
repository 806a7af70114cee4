"""What a step of training computed, read while the next one runs."""
from typing import Any

import torch
from torch import Tensor


class StepOutputs(dict):
    """The scalars of a step, by name.

    Attributes:
        iteration: the step's, from 0.
        data_batch: what it was computed from.
    """
    iteration: int
    data_batch: Any

    def __init__(self, scalars: dict[str, Any], iteration: int, data_batch: Any):
        super().__init__(scalars)
        self.iteration, self.data_batch = iteration, data_batch


class LateOutputs:
    """Hands out the scalars of the step before, so that the processor need not wait for an accelerator's step.

    They are copied to the processor's memory when the step is done, while the next one is being launched.
    """

    def __init__(self) -> None:
        self.pending: StepOutputs | None = None
        self._values = torch.empty(0)
        self._copied: torch.cuda.Event | None = None

    def swap(self, outputs: dict[str, Tensor], iteration: int, data_batch: Any) -> StepOutputs:
        """Take what a step gave; return that of the one before, as numbers. There is nothing of it at first."""
        before = self.read() or StepOutputs({}, iteration, data_batch)
        self.pending = StepOutputs(outputs, iteration, data_batch)
        if outputs:
            self._values = torch.stack([value.detach().float().reshape(()) for value in outputs.values()])
            if self._values.is_cuda:
                pinned = torch.empty(len(outputs), pin_memory=True)
                self._values = pinned.copy_(self._values, non_blocking=True)
                self._copied = torch.cuda.Event()
                self._copied.record()
        return before

    def read(self) -> StepOutputs | None:
        """The scalars of the last step, when it is done; None before the first."""
        if self.pending is None or not self.pending:
            return self.pending
        if self._copied is not None:
            self._copied.synchronize()
        numbers = dict(zip(self.pending, self._values.tolist(), strict=True))
        return StepOutputs(numbers, self.pending.iteration, self.pending.data_batch)
