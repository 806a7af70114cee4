"""Pictures of attention.

Letters in shapes: K attention heads, N tokens (those before the patches first), h w grid of patches, R rows of a
table.
"""
from collections.abc import Sequence

import numpy as np
import torch
from matplotlib import colormaps
from torch import Tensor

from ..checkpoint.grids import CLS_ROWS, Grid
from .panels import Panel

COLUMNS = 6
SEQUENTIAL = 'viridis'
DIVERGING = 'PuOr_r'  # from violet over white to orange: signs that the colour-blind tell apart


def attention_panels(image: np.ndarray, weights: Tensor, query: int, grid: Grid, num_prefix: int,
                     heads: Sequence[int] | None = None, name: str = '') -> list[list[Panel]]:
    """Rows of panels: an image, what a token takes of each of its patches in the mean of the heads, and in each.

    The bright end of a map is its largest weight, which its title says in percent.

    Args:
        image: ``(H, W, 3)`` bytes.
        weights: ``(K, N, N)`` of a layer, rows that sum to 1.
        query: the token; the patch of one that has a place is marked.
        num_prefix: tokens before the patches.
        heads: those that are shown, counted from 0; None for all.
        name: title of the image.
    """
    maps = weights[:, query, num_prefix:].unflatten(1, grid).float().cpu().numpy()  # K h w
    marked = None
    if query >= num_prefix:
        row, column = divmod(query - num_prefix, grid[1])
        tall, wide = image.shape[0] / grid[0], image.shape[1] / grid[1]
        marked = row * tall, column * wide, tall, wide
    shown = [('mean', maps.mean(axis=0))]
    shown += [(f'head {head}', maps[head]) for head in (range(len(maps)) if heads is None else heads)]
    panels = [Panel(name, image, marked=marked)]
    panels += [Panel(f'{title}, to {100 * values.max():.2g} %', values, limits=(0, float(values.max())))
               for title, values in shown]
    return wrapped(panels)


def bias_panels(table: Tensor, grid: Grid, heads: Sequence[int] | None = None) -> tuple[list[list[Panel]], float]:
    """Rows of panels: the ``(R, K)`` relative position bias of each head, and the number of the last colour.

    The place in the middle is the patch that looks, and the places around it are those of the patches that it takes
    from, up to ``(h - 1, w - 1)`` away. Zero is white, and all heads have one range of colours.
    """
    offsets = table.detach()[:-CLS_ROWS].T.unflatten(1, (2 * grid[0] - 1, 2 * grid[1] - 1)).float().cpu()
    maps = offsets.flip(1, 2).numpy()  # rows of the table are the place that looks minus the other one
    largest = max(float(np.abs(maps).max()), float(torch.finfo(torch.float32).tiny))
    return wrapped([Panel(f'head {head}', maps[head], DIVERGING, (-largest, largest))
                    for head in (range(len(maps)) if heads is None else heads)]), largest


def heat(values: np.ndarray) -> np.ndarray:
    """``(h, w)`` numbers from 0 on as ``(h, w, 3)`` bytes, their largest the brightest."""
    colours = colormaps[SEQUENTIAL](values / max(float(values.max()), float(np.finfo(np.float32).tiny)))
    return (colours[..., :3] * 255).round().astype(np.uint8)


def wrapped(panels: Sequence[Panel], columns: int = COLUMNS) -> list[list[Panel]]:
    return [list(panels[first:first + columns]) for first in range(0, len(panels), columns)]
