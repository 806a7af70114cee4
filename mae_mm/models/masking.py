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
    if not isinstance(mask_ratio, (int, float)) or not 0 <= mask_ratio <= 1:
        raise InputError(f'mask_ratio={mask_ratio!r} is not a number between 0 and 1, the share of hidden patches')
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
    if block == SINGLE:  # unstable: another order of equal numbers would be another draw than files were made with
        return order_of_blocks.argsort(dim=1)
    return order_of_blocks[:, blocks_of(grid, block, order_of_blocks.device)].argsort(dim=1, stable=True)


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


def block_order(grid: Grid, num_keep: int, seed: int) -> Tensor:
    """``(L,)``: hides rectangles that are drawn until enough is hidden (block-wise masks of arXiv:2111.06377, fig. 6).

    Each covers up to a quarter of what is to be hidden; of the last one, rows are left out from below.
    """
    generator = torch.Generator().manual_seed(seed)
    h, w = grid
    num_hidden = h * w - num_keep
    hidden = torch.zeros(grid, dtype=torch.bool)
    while (lacking := num_hidden - int(hidden.sum())) > 0:
        share, flatness, y, x = torch.rand(4, generator=generator).tolist()
        area, aspect = max(1., share * num_hidden / 4), 3 ** (2 * flatness - 1)  # height by width, 1/3 to 3
        height, width = (min(side, max(1, round(wanted)))
                         for side, wanted in ((h, (area * aspect) ** .5), (w, (area / aspect) ** .5)))
        top, left = int(y * (h - height + 1)), int(x * (w - width + 1))
        block = torch.zeros_like(hidden)
        block[top:top + height, left:left + width] = True
        new = (block & ~hidden).flatten().nonzero()[:lacking, 0]
        hidden.view(-1)[new] = True
    return hidden.flatten().int().argsort(stable=True)


def grid_order(grid: Grid) -> Tensor:
    """``(L,)``: patches such that the first so many are spread evenly (grid-wise masks of arXiv:2111.06377, fig. 6).

    The order is that of Bayer's matrix for dithering: a quarter of the patches is one of each 2x2.
    """
    h, w = grid
    y, x = (places.flatten() for places in torch.meshgrid(torch.arange(h), torch.arange(w), indexing='ij'))
    level = torch.zeros_like(y)
    for _ in range(max(h, w).bit_length()):  # the last bits of a place matter most
        level = 4 * level + 2 * ((y ^ x) & 1) + (y & 1)
        y, x = y >> 1, x >> 1
    return level.argsort()
