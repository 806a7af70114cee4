"""Which patches an image shows and which it hides.

Letters in shapes: B batch, h w grid of patches, L = h*w patches of an image. Masks are kept as ids: an order of all
patches of an image, ``ids_shuffle``, whose first ``num_keep`` are visible. In boolean masks True is hidden.
"""
import math
from collections.abc import Sequence

import torch
from torch import Tensor

from ..errors import InputError
from .position import Grid

SINGLE: Grid = (1, 1)  # a block of one patch


def num_visible(num_patches: int, mask_ratio: float) -> int:
    """How many patches stay visible: the official count, rounded down.

    Raises:
        ValueError: the ratio would hide all of them, or none.
    """
    num_keep = int(num_patches * (1 - mask_ratio))
    if not 0 < num_keep < num_patches:
        raise InputError(f'mask_ratio={mask_ratio} leaves {num_keep} of {num_patches} patches visible; at least one '
                         'must be visible and one hidden')
    return num_keep


def checked_block(block: int | Sequence[int], grid: Grid) -> Grid:
    """``(height, width)`` of a side or of both, in patches.

    Raises:
        ValueError: neither one nor two whole numbers from 1 on, or a block that covers the grid.
    """
    sides = tuple(block) if isinstance(block, (list, tuple)) else (block, block)
    if len(sides) != 2 or not all(type(side) is int and side > 0 for side in sides):
        raise InputError(f'mask_block={block!r} is neither a side in patches nor (height, width)')
    if num_blocks(grid, sides) < 2:
        raise InputError(f'mask_block={block!r} covers all of the {grid[0]}x{grid[1]} patches; take a smaller one')
    return sides


def blocks_of(grid: Grid, block: Grid, device: torch.device | None = None) -> Tensor:
    """``(L,)``: the block that each patch lies in, counted from 0; the last ones of a row or column may be smaller."""
    rows, columns = (torch.arange(side, device=device) // length for side, length in zip(grid, block, strict=True))
    return (rows[:, None] * math.ceil(grid[1] / block[1]) + columns).flatten()


def _expand(order_of_blocks: Tensor, grid: Grid, block: Grid) -> Tensor:
    """``(B, blocks)`` numbers that order blocks to ``(B, L)`` orders of patches, in which each block is together."""
    if block != SINGLE:
        order_of_blocks = order_of_blocks[:, blocks_of(grid, block, order_of_blocks.device)]
    return order_of_blocks.argsort(dim=1, stable=True)


def num_blocks(grid: Grid, block: Grid) -> int:
    """How many blocks cover a grid."""
    return math.prod(math.ceil(side / length) for side, length in zip(grid, block, strict=True))


def draw_order(batch_size: int, grid: Grid, device: torch.device, block: Grid = SINGLE) -> Tensor:
    """``(B, L)`` random orders of the patches, one for each image, from PyTorch's generator of the device.

    Args:
        block: ``(height, width)`` in patches of what is shown or hidden together (Pixio, arXiv:2512.15715). If the
            visible patches are no whole number of blocks, one block is shown in part.
    """
    return _expand(torch.rand(batch_size, num_blocks(grid, block), device=device), grid, block)


def order_of_sample(sample_id: int, grid: Grid, block: Grid = SINGLE) -> Tensor:
    """``(L,)``: one order that depends on the number of the sample alone, to measure every model by the same masks."""
    order = torch.randperm(num_blocks(grid, block), generator=torch.Generator().manual_seed(sample_id))
    return _expand(order.argsort()[None], grid, block)[0]


def hidden_mask(ids_shuffle: Tensor, num_keep: int) -> Tensor:
    """``(B, L)`` booleans in patch order, True where a patch is hidden."""
    return ids_shuffle.argsort(dim=1) >= num_keep
