"""Pictures of what runs have logged."""
import math
from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .panels import DPI, WIDTH_PX, png_of

# Okabe and Ito's colours, which the colour-blind tell apart, and kinds of lines, for more runs than colours.
COLOURS = ('#0072B2', '#D55E00', '#009E73', '#CC79A7', '#E69F00', '#56B4E9', '#000000')
LINES = ('-', '--', ':', '-.')
ROW_INCHES, NAME_LETTERS = 2.5, 60
FEW = 30  # points of a curve that are marked
WIDE = 20  # times: values that spread further, all above 0, have a logarithmic axis

Curve = Sequence[tuple[float, float]]  # (step, value)


def curves_png(runs: Mapping[str, Mapping[str, Curve]], steps: Mapping[str, str], heading: str) -> bytes:
    """Curves of runs, a panel for each key and a colour for each run.

    What is not finite is left out of a curve, and marked by a cross at the panel's bottom.

    Args:
        runs: name -> key -> curve.
        steps: key -> what its steps count.
    """
    keys = list(steps)
    columns = 1 if len(keys) == 1 else 2
    rows = -(-len(keys) // columns)
    figure = Figure(figsize=(WIDTH_PX / DPI, ROW_INCHES * rows + .25 * len(runs) + .5), dpi=DPI, layout='constrained')
    figure.suptitle(heading, fontsize=9, parse_math=False)
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, key in zip(panels, keys, strict=False):
        for i, (name, curves) in enumerate(runs.items()):
            if key in curves:
                line = LINES[i // len(COLOURS) % len(LINES)]
                _draw(axes, curves[key], _short(name), COLOURS[i % len(COLOURS)], line)
        values = [value for curves in runs.values() for _, value in curves.get(key, ()) if math.isfinite(value)]
        if values and min(values) > 0 and max(values) > WIDE * min(values) and key.startswith('loss'):
            axes.set_yscale('log')
        axes.set_title(key, fontsize=9, parse_math=False)
        axes.set_xlabel(steps[key], fontsize=8)
        axes.tick_params(labelsize=8)
        if axes.get_yscale() == 'linear':
            axes.ticklabel_format(axis='y', scilimits=(-3, 4))
        axes.grid(alpha=.3)
    for axes in panels[len(keys):]:
        axes.set_axis_off()
    found = {label: line for axes in panels for line, label in zip(*axes.get_legend_handles_labels(), strict=True)}
    legend = figure.legend(found.values(), found.keys(), loc='outside lower left', fontsize=8)
    for text in legend.get_texts():
        text.set_parse_math(False)
    return png_of(figure)


def _draw(axes: Axes, curve: Curve, name: str, colour: str, line: str) -> None:
    steps, values = zip(*curve, strict=True)
    marker = 'o' if len(curve) <= FEW else ''
    axes.plot(steps, values, line, color=colour, label=name, marker=marker, markersize=3, linewidth=1.3)
    lost = [step for step, value in curve if not math.isfinite(value)]
    if lost:
        axes.plot(lost, [.03] * len(lost), 'x', color=colour, transform=axes.get_xaxis_transform(), clip_on=False)


def _short(name: str) -> str:
    return name if len(name) <= NAME_LETTERS else f'..{name[2 - NAME_LETTERS:]}'
