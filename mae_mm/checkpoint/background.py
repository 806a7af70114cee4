"""Writing checkpoints while training goes on."""
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import torch
from torch import Tensor

from .writing import hashed_file

Copies = dict[tuple, Tensor]  # place in a checkpoint -> tensor


class BackgroundWriter:
    """Writes checkpoints, one after the other, in a thread of its own; a process ends when all are written.

    The caller waits for a copy in memory alone, a fraction of the time that the disk takes. The memory of the copies
    is kept for the next ones: what a checkpoint of each kind takes (with the optimizer's state, and without).
    """

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix='checkpoint')
        self._jobs: list[Future] = []
        self._copies: dict[frozenset[str], Copies] = defaultdict(dict)
        self._users: dict[frozenset[str], Future] = {}  # of these copies

    def write(self, checkpoint: dict, path: str) -> None:
        """Copy a checkpoint's tensors, and write the file with its hash."""
        kind = frozenset(checkpoint)
        if kind in self._users:
            self._users[kind].exception()  # waits
        job = self._thread.submit(_write, copied(checkpoint, self._copies[kind]), path)
        self._users[kind] = job
        self._jobs.append(job)

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


def copied(value: Any, copies: Copies, place: tuple = ()) -> Any:
    """A nested structure of which the tensors are copies, on the CPU.

    Args:
        copies: those of an earlier call, which are written over where they fit; the new ones are put there.
        place: where in the structure ``value`` is.
    """
    if isinstance(value, Tensor):
        old = copies.get(place)
        if old is None or (old.shape, old.dtype, old.stride()) != (value.shape, value.dtype, value.stride()):
            copies[place] = old = torch.empty_like(value, device='cpu')
        return old.copy_(value.detach())
    if isinstance(value, dict):
        copy = type(value)((key, copied(item, copies, (*place, key))) for key, item in value.items())
        if hasattr(value, '_metadata'):  # of a state dict
            copy._metadata = value._metadata  # type: ignore[attr-defined]
        return copy
    if isinstance(value, (list, tuple)):
        return type(value)(copied(item, copies, (*place, i)) for i, item in enumerate(value))
    return value
