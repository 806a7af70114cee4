"""Positions of patches: the fixed sin-cos table, the relative position bias, and resizing of both.

Letters in shapes: h w grid of patches (height first), T class tokens, P = T + registers, N = P + h*w tokens (patches
last), C channels, K attention heads.
"""
import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..checkpoint.grids import CLS_ROWS, Grid, bias_table_rows
from ..errors import InputError
from .attention import BiasTable
from .tracing import exporting

MOST_PATCHES = 2**20  # 16384 x 16384 pixels by patches of 16; their table alone has gigabytes
# How positions become those of another grid -> how PyTorch is told. Encoders were trained with different ways: plain
# (facebookresearch/mae, Pixio, Hugging Face's DINOv2); with antialiasing (timm, DINOv2 with registers); with sides
# that are .1 of a patch longer (facebookresearch/dinov2 without registers).
RESIZING: dict[str, Callable[[Grid, Grid], dict[str, Any]]] = {
    'plain': lambda source, target: dict(size=target),
    'antialias': lambda source, target: dict(size=target, antialias=True),
    'offset': lambda source, target: dict(
        scale_factor=tuple((side + .1) / old for side, old in zip(target, source, strict=True))),
}


def sincos_position(channels: int, grid: Grid, num_cls_tokens: int = 1) -> Tensor:
    """Fixed two-dimensional sine-cosine positions, with zeros for the class tokens.

    The first half of the channels encodes the column and the second half the row, as in the table that the
    released MAE weights were trained with (facebookresearch/mae, util/pos_embed.py).

    Returns:
        Tensor: ``(1, T + h*w, C)``, float32.
    """
    if channels % 4:
        raise ValueError(f'sin-cos positions need a width that is a multiple of 4, not {channels}')
    h, w = grid
    if h * w > MOST_PATCHES:
        raise InputError(f'images of {h}x{w} patches: at most {MOST_PATCHES:,} patches are computed with')
    frequencies = 10000.0 ** (-torch.arange(channels // 4, dtype=torch.float64) / (channels / 4))
    rows, columns = torch.meshgrid(
        torch.arange(h, dtype=torch.float64), torch.arange(w, dtype=torch.float64), indexing='ij')
    angles = [coordinate.flatten()[:, None] * frequencies for coordinate in (columns, rows)]  # each h*w C/4
    table = torch.cat([part for angle in angles for part in (angle.sin(), angle.cos())], dim=1)  # h*w C
    return torch.cat([torch.zeros(num_cls_tokens, channels), table.float()])[None]


def same_grid(source: Grid, target: Grid) -> bool:
    """Whether there is nothing to resize. Sides that are symbols equal none: a comparison would fix them."""
    return all(isinstance(side, int) for side in target) and source == target


def resize_grid(rows: Tensor, source: Grid, target: Grid, rule: str = 'plain') -> Tensor:
    """Resize values that lie on a grid, bicubic and in float32; the identity if the grids are equal.

    Args:
        rows: ``(h*w, C)`` for the ``source`` grid, row by row.
        rule: one of ``RESIZING``.

    Returns:
        Tensor: ``(h*w, C)`` for the ``target`` grid, in the dtype of ``rows``.
    """
    if same_grid(source, target):
        return rows
    maps = rows.float().reshape(1, *source, -1).permute(0, 3, 1, 2)  # h*w C -> 1 C h w
    maps = F.interpolate(maps, mode='bicubic', align_corners=False, **RESIZING[rule](source, target))
    return maps.permute(0, 2, 3, 1).reshape(target[0] * target[1], -1).to(rows.dtype)


def resize_pos_embed(pos_embed: Tensor, source: Grid, target: Grid, num_cls_tokens: int = 1,
                     rule: str = 'plain') -> Tensor:
    """Resize ``(1, T + h*w, C)`` position embeddings to another grid; the class tokens' stay as they are."""
    if same_grid(source, target):
        return pos_embed
    patches = resize_grid(pos_embed[0, num_cls_tokens:], source, target, rule)
    return torch.cat([pos_embed[:, :num_cls_tokens], patches[None]], dim=1)


def with_prefix(ids: Tensor, num_prefix: int) -> Tensor:
    """``(B, n)`` patches to the ``(B, P + n)`` rows of tokens: the prefix first, then those of the patches."""
    prefix = torch.arange(num_prefix, device=ids.device).expand(len(ids), -1)
    return torch.cat([prefix, ids + num_prefix], dim=1)


def offset_grid(grid: Grid) -> Grid:
    """The number of row and of column offsets between two patches of a grid."""
    return 2 * grid[0] - 1, 2 * grid[1] - 1


def resize_bias_table(table: Tensor, source: Grid, target: Grid, method: str = 'bicubic') -> Tensor:
    """Resize a ``(bias_table_rows, K)`` table to another grid; the three class rows stay as they are.

    Args:
        method: ``'bicubic'``, or ``'geometric'`` as BEiT's fine-tuning does.
    """
    if same_grid(source, target):
        return table
    resize = resize_grid_geometrically if method == 'geometric' else resize_grid
    offsets = resize(table[:-CLS_ROWS], offset_grid(source), offset_grid(target))
    return torch.cat([offsets, table[-CLS_ROWS:]])


def resize_grid_geometrically(rows: Tensor, source: Grid, target: Grid) -> Tensor:
    """:func:`resize_grid` for offsets: small ones keep their values and large ones are spread out.

    The source's offsets are placed at distances that grow geometrically, so that the largest is the target's
    largest, and a cubic spline goes through them (microsoft/unilm, beit/run_class_finetuning.py).
    """
    values = rows.double().reshape(*source, -1).numpy(force=True)
    for axis in (0, 1):
        values = _spread(values, source[axis], target[axis], axis)
    return torch.from_numpy(values).to(rows).reshape(target[0] * target[1], -1)


def _spread(values: np.ndarray, source: int, target: int, axis: int) -> np.ndarray:
    from scipy.interpolate import CubicSpline  # slow to import
    if source in (1, target):  # a single offset, 0, or all of them in place
        return np.repeat(values, target // source, axis=axis)
    low, high = 1.01, 1.5  # BEiT's bounds on the ratio
    while high - low > 1e-6:
        ratio = (low + high) / 2
        low, high = (low, ratio) if (1 - ratio**(source // 2)) / (1 - ratio) > target // 2 else (ratio, high)
    outward = np.cumsum(ratio ** np.arange(source // 2))
    places = np.concatenate([-outward[::-1], [0], outward])
    wanted = np.arange(target) - target // 2
    return CubicSpline(places, values, axis=axis)(wanted.clip(places[0], places[-1]))


def relative_position_index(grid: Grid, device: torch.device, num_prefix: int = 1) -> Tensor:
    """For each pair of tokens, the row of the bias table that holds their bias: ``(N, N)``, int64.

    The order of rows is BEiT's: offsets row by row, then class to patch, patch to class, class to class; all tokens
    of the prefix count as the class.
    """
    return _index(grid, device, num_prefix) if exporting() else _kept_index(grid, device, num_prefix)


@torch.inference_mode(False)  # what is kept serves training, too
def _index(grid: Grid, device: torch.device, num_prefix: int) -> Tensor:
    (h, w), P = grid, num_prefix
    y = torch.arange(h, device=device)[:, None].expand(h, w).flatten()
    x = torch.arange(w, device=device).expand(h, w).flatten()
    num_offsets = bias_table_rows(grid) - CLS_ROWS
    index = torch.empty(P + h * w, P + h * w, dtype=torch.long, device=device)
    index[P:, P:] = (y[:, None] - y + h - 1) * (2 * w - 1) + (x[:, None] - x + w - 1)
    index[:P, :] = num_offsets
    index[:, :P] = num_offsets + 1
    index[:P, :P] = num_offsets + 2
    return index


_kept_index = functools.lru_cache(maxsize=2)(_index)  # 8 bytes for each pair of tokens


def relative_position_bias(table: Tensor, source: Grid, grid: Grid, num_prefix: int = 1) -> BiasTable:
    """The bias of a grid's tokens, from a table that belongs to the ``source`` grid."""
    return BiasTable(resize_bias_table(table, source, grid), relative_position_index(grid, table.device, num_prefix))
