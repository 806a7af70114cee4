"""Pictures of confusion matrices."""
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure

from .panels import png_of

SIDE_INCHES, DPI = 8., 100  # 800 pixels
MOST_NAMES = 30  # classes whose names fit on the axes
MOST_NUMBERS = 15  # classes whose numbers fit into the cells
MOST_PAIRS = 20  # of classes that are taken for each other, told where names do not fit
LONGEST_NAME = 24
COLOURS = 'Blues'  # from light to dark: also without colours


def confusion_picture(confusion: np.ndarray, names: Sequence[str], heading: str = '',
                      counted: str = 'images') -> bytes:
    """A confusion matrix as a PNG file: shares of each true class, dark where large.

    Names are on the axes of up to 30 classes; of more, the most frequent mistakes are listed beside.

    Args:
        confusion: ``(classes, classes)`` numbers of images or pixels, a row for each true class.
        heading: a line of the title, such as the checkpoint.
        counted: ``'images'``, whose numbers are in the cells, or ``'pixels'``, whose shares are.
    """
    totals = confusion.sum(axis=1, keepdims=True)
    shares = 100 * confusion / np.maximum(totals, 1)
    named = len(names) <= MOST_NAMES
    figure = Figure(figsize=(SIDE_INCHES if named else 1.5 * SIDE_INCHES, SIDE_INCHES), dpi=DPI, layout='constrained')
    axes, beside = (figure.subplots(), None) if named else figure.subplots(1, 2, width_ratios=(2, 1))
    # Among many classes the mistakes spread thin: their colours are darker than their share.
    drawn = axes.imshow(shares, cmap=COLOURS, norm=PowerNorm(1 if named else .4, vmin=0, vmax=100))
    right = confusion.trace() / max(confusion.sum(), 1)
    title = f'{confusion.sum():,} {counted} of {len(names)} classes, {100 * right:.2f} % right'
    axes.set_title(f'{heading}\n{title}' if heading else title, parse_math=False)
    axes.set_xlabel('prediction')
    axes.set_ylabel('true class')
    figure.colorbar(drawn, ax=axes, shrink=.7, label=f"% of the true class's {counted}")
    if named:
        short = [shortened(name) for name in names]
        axes.set_xticks(range(len(names)), short, rotation=45, ha='right', rotation_mode='anchor', parse_math=False)
        axes.set_yticks(range(len(names)), short, parse_math=False)
    if beside is not None:
        _list_mistakes(beside, confusion, names)
    if len(names) <= MOST_NUMBERS:
        for (row, column), count in np.ndenumerate(confusion):
            text = f'{count:,}' if counted == 'images' else f'{shares[row, column]:.0f}'
            axes.text(column, row, text, ha='center', va='center',
                      color='white' if shares[row, column] > 50 else 'black')
    return png_of(figure)


def _list_mistakes(axes: Axes, confusion: np.ndarray, names: Sequence[str]) -> None:
    axes.set_axis_off()
    axes.set_title('most frequent mistakes')
    lines = [f'{count:,} x {shortened(truth)}\n      as {shortened(taken)}'
             for truth, taken, count in most_confused(confusion, names)]
    axes.text(0, 1, '\n'.join(lines) or 'none', va='top', fontsize=9, parse_math=False)


def most_confused(confusion: np.ndarray, names: Sequence[str]) -> list[tuple[str, str, int]]:
    """``(true class, what it was taken for, number)`` of the most frequent mistakes, the worst first."""
    wrong = confusion - np.diag(confusion.diagonal())
    order = np.argsort(-wrong, axis=None, kind='stable')[:MOST_PAIRS]
    return [(names[truth], names[taken], int(wrong[truth, taken]))
            for truth, taken in zip(*np.unravel_index(order, wrong.shape), strict=True) if wrong[truth, taken]]


def shortened(name: str) -> str:
    return name if len(name) <= LONGEST_NAME else f'{name[:LONGEST_NAME - 3]}...'
