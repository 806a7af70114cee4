"""Writing checkpoints while training goes on."""
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import torch
from torch import Tensor

from .writing import hashed_file


class BackgroundWriter:
    """Writes checkpoints, one after the other, in a thread of its own; a process ends when all are written.

    The caller waits for a copy in memory alone, a fraction of the time that the disk takes.
    """

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix='checkpoint')
        self._jobs: list[Future] = []

    def write(self, checkpoint: dict, path: str) -> None:
        """Copy a checkpoint's tensors, and write the file with its hash."""
        self._jobs.append(self._thread.submit(_write, copied(checkpoint), path))

    def then(self, action: Callable[[], None]) -> None:
        """Do something after what was asked for since the last :meth:`finish`, unless a part of it failed."""
        before = tuple(self._jobs)

        def act() -> None:
            if not any(job.exception() for job in before):
                action()

        self._jobs.append(self._thread.submit(act))

    @property
    def busy(self) -> bool:
        """Whether something is still to be written."""
        return not all(job.done() for job in self._jobs)

    def finish(self) -> None:
        """Wait until all is written.

        Raises:
            ValueError: the first failure since the last call; see :func:`mae_mm.checkpoint.writing.whole_file`.
        """
        jobs, self._jobs = self._jobs, []
        failures = [error for error in [job.exception() for job in jobs] if error is not None]
        if failures:
            raise failures[0]


def _write(checkpoint: dict, path: str) -> None:
    with hashed_file(path) as file:
        torch.save(checkpoint, file)


def copied(value: Any) -> Any:
    """A nested structure of which the tensors are copies, on the CPU."""
    if isinstance(value, Tensor):
        return value.detach().to('cpu', copy=True)
    if isinstance(value, dict):
        copy = type(value)((key, copied(item)) for key, item in value.items())
        if hasattr(value, '_metadata'):  # of a state dict
            copy._metadata = value._metadata  # type: ignore[attr-defined]
        return copy
    if isinstance(value, (list, tuple)):
        return type(value)(copied(item) for item in value)
    return value
