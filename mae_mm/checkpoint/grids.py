"""The grid of patches that a checkpoint's positions belong to: read from the file, or a square, or asked for.

Letters: h w grid (height first), N patches.
"""
import math
from typing import Any

import torch
from torch import Tensor

from ..errors import InputError

Grid = tuple[int, int]

# Ways in which positions become those of another grid; see models/position.py.
POS_RESIZE = ('plain', 'antialias', 'offset')
INTEGERS = (torch.int16, torch.int32, torch.int64)
CLS_ROWS = 3  # the bias table's last rows: class to patch, patch to class, class to class
ASK = ('say which with init_cfg=dict(type=\'Pretrained\', ..., grid=(height, width)) where training starts from it; '
       'mae-mm convert FILE NEW.pth --whole --grid HEIGHT WIDTH writes a file that stores it, for every use')


def bias_table_rows(grid: Grid) -> int:
    """How many rows a relative position bias table has for a grid."""
    return (2 * grid[0] - 1) * (2 * grid[1] - 1) + CLS_ROWS


def grid_of_index(index: Tensor) -> Grid | None:
    """The grid of a ``(1 + N, 1 + N)`` relative position index (BEiT's, mmsegmentation's).

    None if it is no such index, or of a single row or column of patches, for which it is the same.
    """
    if index.dim() != 2 or index.shape[0] != index.shape[1] or len(index) < 2 or index.dtype not in INTEGERS:
        return None
    first = index[1, 1:]  # the biases of the first patch to each one: they fall by one along the first row
    steps = first[0] - first == torch.arange(len(first))
    if steps.all():
        return (1, 1) if len(first) == 1 and not first else None
    width = int(steps.int().argmin())
    height = len(first) // width
    centre = (height - 1) * (2 * width - 1) + width - 1
    return (height, width) if height * width == len(first) and first[0] == centre else None


def square(num_patches: int) -> Grid | None:
    """The square grid of so many patches, if there is one."""
    side = math.isqrt(num_patches)
    return (side, side) if side * side == num_patches else None


def taken_again(positions: Tensor, num_cls_tokens: int, grid: Grid, padded: bool) -> Tensor | None:
    """Positions as those of class tokens and a grid, where they were taken for a square's and ``padded`` with zeros.

    A file of 25 positions does not tell: they may be of 5x5 patches, or of a class token and 4x6. None if these are
    not so many.
    """
    T = num_cls_tokens
    return positions[:, T:] if padded and math.prod(grid) == positions.shape[1] - 2 * T else None


def decide_grid(num_patches: int, table_rows: set[int], told: Any, own: Grid) -> Grid:
    """The grid that a checkpoint's positions belong to.

    Args:
        table_rows: the numbers of rows of its relative position bias tables, if there are any.
        told: what the file, or the user, says of it; None for nothing. Files that say nothing are of square images.
        own: the model's grid.

    Raises:
        ValueError: a grid that does not fit the positions, no square, or one that might as well be the model's.
    """
    if told is not None:
        grid = tuple(told) if isinstance(told, (list, tuple)) else (told, told)
        if len(grid) != 2 or not all(isinstance(side, int) and side > 0 for side in grid) or (
                math.prod(grid) != num_patches or not table_rows <= {bias_table_rows(grid)}):
            raise InputError(f'its position embedding is for {num_patches} patches, not for the grid {told!r}')
        return grid
    found = square(num_patches)
    if found is None or not table_rows <= {bias_table_rows(found)}:
        raise InputError(f'its position embedding is for {num_patches} patches, which do not form a square, and '
                         f'the file does not store the grid; {ASK}')
    if not table_rows and math.prod(own) == num_patches and own != found:
        raise InputError(f'its {num_patches} patches may form a grid of {found[0]}x{found[1]} or, as in the model, '
                         f'of {own[0]}x{own[1]}; {ASK}')
    return found
