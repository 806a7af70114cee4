"""Pictures of frozen features: figures by layer, principal components as colours, attention.

Letters in shapes: C channels, K heads, N tokens, h w grid of patches, H W pixels.
"""
import io
import warnings
from collections.abc import Mapping, Sequence

import cv2
import numpy as np
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from torch import Tensor

PANEL_INCHES, DPI = (3.6, 3.2), 100
LINE_COLOURS = ('#0072B2', '#D55E00', '#009E73', '#CC79A7', '#E69F00', '#56B4E9', '#000000')  # Okabe and Ito's
LEGEND_COLUMNS = 2
LINES = ('-', '--', ':', '-.')
STRETCH = (.02, .98)  # quantiles of a component that become 0 and full colour
COLOURS = cv2.COLORMAP_VIRIDIS
MARK = (255, 60, 60)  # red
LEAST_PX = 160  # of a picture's height: smaller ones are enlarged

Curve = Sequence[tuple[int, float, float]]  # layer, figure, deviation


def pca_colours(maps: Sequence[Tensor]) -> list[np.ndarray]:
    """``(h, w, 3)`` RGB bytes of ``(C, h, w)`` maps: their first three principal components, of all maps together."""
    rows = torch.cat([part.flatten(1).T for part in maps]).double()  # patches of all, C
    mean = rows.mean(dim=0)
    _, axes = torch.linalg.eigh((rows - mean).T @ (rows - mean))  # ascending
    axes = axes.flip(1)[:, :3]
    axes = axes * torch.take_along_dim(axes, axes.abs().argmax(dim=0, keepdim=True), dim=0).sign()
    low, high = np.quantile(((rows - mean) @ axes).numpy(), STRETCH, axis=0)
    pictures = []
    for part in maps:
        values = ((part.flatten(1).T.double() - mean) @ axes).numpy()
        shares = ((values - low) / np.maximum(high - low, 1e-12)).clip(0, 1)
        colours = np.zeros((len(shares), 3), np.uint8)
        colours[:, :shares.shape[1]] = (255 * shares).round()
        pictures.append(colours.reshape(*part.shape[1:], 3))
    return pictures


def attention_map(weights: Tensor, tokens: slice, num_prefix: int, grid: tuple[int, int]) -> np.ndarray:
    """``(h, w)``: what some tokens take of each patch, the mean over them and over the heads.

    Args:
        weights: ``(K, N, N)`` of a layer; rows sum to 1.
        tokens: those that attend.
        num_prefix: tokens before the patches.
    """
    return weights[:, tokens, num_prefix:].mean(dim=(0, 1)).unflatten(0, grid).float().cpu().numpy()


def heat(values: np.ndarray) -> np.ndarray:
    """``(h, w, 3)`` RGB bytes: bright where a map is largest."""
    shares = values / max(float(values.max()), 1e-12)
    return np.ascontiguousarray(cv2.applyColorMap((255 * shares).round().astype(np.uint8), COLOURS)[..., ::-1])


def enlarged(picture: np.ndarray, size: tuple[int, int], smooth: bool = False) -> np.ndarray:
    """A picture of another size, its pixels as squares or smooth."""
    return cv2.resize(picture, size[::-1], interpolation=cv2.INTER_CUBIC if smooth else cv2.INTER_NEAREST)


def strip_size(size_px: tuple[int, int]) -> tuple[int, int]:
    """Height and width of the pictures of an image, a whole number of times as large."""
    times = -(-LEAST_PX // size_px[0])
    return size_px[0] * times, size_px[1] * times


def marked(picture: np.ndarray, patch: tuple[int, int], grid: tuple[int, int]) -> np.ndarray:
    """A picture with a frame around a patch, ``(row, column)``."""
    tall, wide = picture.shape[0] / grid[0], picture.shape[1] / grid[1]
    first, last = ((round(wide * (patch[1] + i)), round(tall * (patch[0] + i))) for i in (0, 1))
    return cv2.rectangle(picture.copy(), first, last, MARK, 2)


def layers_picture(panels: Mapping[str, Mapping[tuple[str, str], Curve]], title: str, metric: str) -> bytes:
    """A PNG file of figures by layer, with deviations as shades.

    Args:
        panels: title -> (encoder, pooling) -> curve: a colour for each encoder, a kind of line for each pooling.
    """
    shown = [name for curves in panels.values() for name in curves]
    encoders, poolings = (list(dict.fromkeys(name[i] for name in shown)) for i in (0, 1))
    width, height = max(7., PANEL_INCHES[0] * len(panels)), PANEL_INCHES[1] + .2 * len(set(shown)) / LEGEND_COLUMNS
    figure = Figure(figsize=(width, height), dpi=DPI, layout='constrained')
    canvas = FigureCanvasAgg(figure)  # pyplot would ask for a display
    figure.suptitle(title, fontsize=10, parse_math=False)
    lines = {}
    for axes, (name, curves) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels.items(), strict=True):
        for (encoder, pooling), curve in curves.items():
            layers, figures, deviations = np.array(curve).T
            colour = LINE_COLOURS[encoders.index(encoder) % len(LINE_COLOURS)]
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
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings('ignore', 'Glyph')  # names in a script that the font lacks are boxes
        canvas.print_png(file)
    return file.getvalue()
