"""Pictures with titles in rows, as a PNG file: what the sheets of reconstructions, attention and features are."""
import io
import textwrap
import warnings
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.text import Text

WIDTH_PX, DPI, GAP_PX = 800, 100, 6
WIDEST_PX, TALLEST_PX = 264, 400  # of a panel
TITLE_PX, LINE_PX = 19, 17  # over a panel; of the heading
LETTER_PX = 7  # the mean width of a letter of a title
LETTERS = 115  # in a line of the heading


class Panel(NamedTuple):
    """``(H, W, 3)`` bytes, or ``(h, w)`` numbers that are drawn in ``colours``; with a place that is ``marked``."""
    title: str
    values: np.ndarray
    colours: str = 'viridis'  # of matplotlib; from dark to light, and told apart by the colour-blind
    limits: tuple[float | None, float | None] = (None, None)  # the numbers of the first and of the last colour
    marked: tuple[float, float, float, float] | None = None  # top, left, height, width, in pixels of the values


def panels_png(rows: Sequence[Sequence[Panel]], heading: str) -> bytes:
    """Rows of panels, each as wide as the others, under a heading of one or more lines: 800 pixels wide."""
    columns = max(map(len, rows))
    width = min(WIDEST_PX, (WIDTH_PX - GAP_PX) // columns - GAP_PX)
    lines = [part for line in heading.split('\n') for part in textwrap.wrap(line, LETTERS) or ['']]
    heights = [round(min(TALLEST_PX, max(width * panel.values.shape[0] / panel.values.shape[1] for panel in row)))
               for row in rows]
    top = LINE_PX * len(lines) + 2 * GAP_PX
    height = top + sum(TITLE_PX + tall + GAP_PX for tall in heights)
    figure = Figure(figsize=(WIDTH_PX / DPI, height / DPI), dpi=DPI)
    figure.text(GAP_PX / WIDTH_PX, 1 - GAP_PX / height, '\n'.join(lines), va='top', fontsize=9, linespacing=1.3,
                parse_math=False)
    for row, tall in zip(rows, heights, strict=True):
        top += TITLE_PX
        for i, panel in enumerate(row):
            left = GAP_PX + i * (width + GAP_PX)
            _draw(figure, panel, left / WIDTH_PX, 1 - (top + tall) / height, width / WIDTH_PX, tall / height,
                  int(width / LETTER_PX))
        top += tall + GAP_PX
    return png_of(figure)


def _draw(figure: Figure, panel: Panel, left: float, bottom: float, width: float, height: float, letters: int) -> None:
    axes = figure.add_axes((left, bottom, width, height), anchor='NW')
    axes.set_axis_off()
    low, high = panel.limits
    axes.imshow(panel.values, cmap=panel.colours, vmin=low, vmax=high, aspect='equal')
    title, half = panel.title, letters // 2 - 1  # of a long one the middle is left out
    title = title if len(title) <= letters else f'{title[:half]}..{title[-half:]}'
    axes.set_title(title, fontsize=8, pad=3, loc='left', parse_math=False)
    if panel.marked is not None:
        y, x, tall, wide = panel.marked
        for colour, line in (('black', 3.), ('white', 1.2)):  # seen on any image
            axes.add_patch(Rectangle((x - .5, y - .5), wide, tall, fill=False, edgecolor=colour, linewidth=line))


def png_of(figure: Figure) -> bytes:
    """A figure as a PNG file; pyplot would ask for a display."""
    for text in figure.findobj(Text):
        text.set_text(text.get_text().encode(errors='backslashreplace').decode())  # a file's name may be of any bytes
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings('ignore', 'Glyph')  # names in a script that the font lacks are boxes
        FigureCanvasAgg(figure).print_png(file)
    return file.getvalue()
