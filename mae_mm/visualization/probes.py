"""Pictures of frozen features: figures by layer, what tokens attend to.

Letters in shapes: K heads, N tokens, h w grid of patches.
"""
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from torch import Tensor

from .curves import COLOURS, LINES
from .panels import DPI, png_of

PANEL_INCHES = (3.6, 3.2)
LEGEND_COLUMNS = 2

Curve = Sequence[tuple[int, float, float]]  # layer, figure, deviation


def attention_map(weights: Tensor, tokens: slice, num_prefix: int, grid: tuple[int, int]) -> np.ndarray:
    """``(h, w)``: what some tokens take of each patch, the mean over them and over the heads.

    Args:
        weights: ``(K, N, N)`` of a layer; rows sum to 1.
        tokens: those that attend.
        num_prefix: tokens before the patches.
    """
    return weights[:, tokens, num_prefix:].mean(dim=(0, 1)).unflatten(0, grid).float().cpu().numpy()


def layers_picture(panels: Mapping[str, Mapping[tuple[str, str], Curve]], title: str, metric: str) -> bytes:
    """A PNG file of figures by layer, with deviations as shades.

    Args:
        panels: title -> (encoder, pooling) -> curve: a colour for each encoder, a kind of line for each pooling.
    """
    shown = [name for curves in panels.values() for name in curves]
    encoders, poolings = (list(dict.fromkeys(name[i] for name in shown)) for i in (0, 1))
    width, height = max(7., PANEL_INCHES[0] * len(panels)), PANEL_INCHES[1] + .2 * len(set(shown)) / LEGEND_COLUMNS
    figure = Figure(figsize=(width, height), dpi=DPI, layout='constrained')
    figure.suptitle(title, fontsize=10, parse_math=False)
    lines = {}
    for axes, (name, curves) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels.items(), strict=True):
        for (encoder, pooling), curve in curves.items():
            layers, figures, deviations = np.array(curve).T
            colour = COLOURS[encoders.index(encoder) % len(COLOURS)]
            lines[f'{encoder}, {pooling}'], = axes.plot(
                layers, figures, LINES[poolings.index(pooling) % len(LINES)], color=colour, marker='o', markersize=3)
            axes.fill_between(layers, figures - deviations, figures + deviations, color=colour, alpha=.15, linewidth=0)
        axes.set(title=name, xlabel='layer', ylabel=metric)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(alpha=.3)
    legend = figure.legend(lines.values(), [name.lstrip('_') for name in lines], loc='outside lower left', fontsize=8,
                           ncols=LEGEND_COLUMNS)
    for text in legend.get_texts():
        text.set_parse_math(False)
    return png_of(figure)
