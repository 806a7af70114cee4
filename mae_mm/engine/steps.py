"""What a step of the optimizer is in a run."""
from typing import Any


def iterations_of_step(runner: Any) -> int:
    """How many iterations make a step: where they are counted in epochs, each part of a batch is one."""
    loop = getattr(runner, '_train_loop', None)
    return runner.optim_wrapper._accumulative_counts // getattr(loop, 'accumulate', 1)


def scale_of(optim_wrapper: Any) -> float | None:
    """What the loss is multiplied with; None where nothing scales it."""
    scaler = getattr(optim_wrapper, 'loss_scaler', None)
    return scaler.get_scale() if scaler is not None and scaler.is_enabled() else None
