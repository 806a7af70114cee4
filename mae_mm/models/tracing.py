"""What a model does while it is traced for an export.

Letters in shapes: B batch, C channels, h w height and width of maps, s side of a pooled map.
"""
from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode


def exporting() -> bool:
    """Whether ``torch.export`` is tracing: what is computed now is no value to keep."""
    return getattr(torch.compiler, 'is_exporting', bool)()  # older than 2.7, torch does not tell: False


def likely(condition: Any) -> bool:
    """Whether a comparison of sizes holds; of sizes that an export leaves open, whether it does for its example.

    For choices between ways to the same result: to ask in an ``if`` would bind the program to the answer.
    """
    if isinstance(condition, bool) or not exporting():
        return bool(condition)
    return condition.node.hint


def pool_by_products(maps: Tensor, output_size: int | Sequence[int]) -> Tensor:
    """``adaptive_avg_pool2d`` of ``(B, C, h, w)`` maps, whose bins ONNX cannot derive from sizes that are symbols."""
    sides = (output_size, ) * 2 if isinstance(output_size, int) else output_size
    rows, columns = (_shares(size, s, maps) for size, s in zip(maps.shape[2:], sides, strict=True))
    return rows @ maps @ columns.t()  # s h @ B C h w @ w s -> B C s s


def _shares(size: int, s: int, like: Tensor) -> Tensor:
    """What each place along an axis adds to each of s bins: ``(s, size)``, whose rows add up to 1."""
    places, bins = torch.arange(size, device=like.device), torch.arange(s, device=like.device)[:, None]
    first, end = bins * size // s, ((bins + 1) * size + s - 1) // s  # s 1, overlapping where s does not divide
    return ((places >= first) & (places < end)).to(like.dtype) / (end - first).to(like.dtype)


class PoolByProducts(TorchFunctionMode):
    """Pools by products, whatever head asks for it and however."""

    def __torch_function__(self, func: Callable, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        pools = func in (F.adaptive_avg_pool2d, torch._C._nn.adaptive_avg_pool2d)
        return (pool_by_products if pools else func)(*args, **kwargs or {})
