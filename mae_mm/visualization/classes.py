"""Pictures of what was measured of each class."""
from collections.abc import Mapping
from typing import Any

from matplotlib.figure import Figure

from .confusion import shortened
from .panels import DPI, WIDTH_PX, png_of

MOST = 40  # classes that are shown; of more, half are the best and half the worst
ROW_INCHES = .2
BAR, MEAN = '#0072B2', '#D55E00'
COUNT = 'images'  # what is told of a class beside its metrics


def class_bars(per_class: Mapping[str, Mapping[str, Any]], heading: str = '') -> bytes | None:
    """A bar for each class, the best first, and a line at their mean, as a PNG file; None if nothing was measured.

    Args:
        per_class: class -> metric -> percent, None for a class without images. The first metric is shown.
        heading: a line of the title, such as the checkpoint.
    """
    metrics = [name for told in per_class.values() for name in told if name != COUNT]
    values = {name: float(told[metrics[0]]) for name, told in per_class.items()
              if metrics and told.get(metrics[0]) is not None}
    if not values:
        return None
    ranked = sorted(values.items(), key=lambda item: -item[1])
    shown = ranked if len(ranked) <= MOST else ranked[:MOST // 2] + ranked[-MOST // 2:]
    mean = sum(values.values()) / len(values)
    figure = Figure(figsize=(WIDTH_PX / DPI, ROW_INCHES * len(shown) + 1.2), dpi=DPI, layout='constrained')
    axes = figure.subplots()
    places = range(len(shown))
    bars = axes.barh(places, [value for _, value in shown], color=BAR)
    axes.bar_label(bars, [f'{value:.1f}' for _, value in shown], padding=2, fontsize=8)
    axes.set_yticks(places, [shortened(name) for name, _ in shown], fontsize=8, parse_math=False)
    axes.invert_yaxis()
    axes.set_xlim(0, 108)  # room for the numbers
    axes.margins(y=.01)
    axes.axvline(mean, color=MEAN, linestyle='--', zorder=0)
    if len(shown) < len(ranked):
        axes.axhline(MOST // 2 - .5, color='black', linewidth=.8)
    which = f'the {MOST // 2} best and the {MOST // 2} worst of ' if len(shown) < len(ranked) else ''
    absent = len(per_class) - len(values)
    title = f'{metrics[0]} in percent, {which}{len(values)} classes; mean {mean:.2f} (dashed)'
    title += f'; {absent} without any' if absent else ''
    axes.set_title(f'{heading}\n{title}' if heading else title, fontsize=9, parse_math=False)
    return png_of(figure)
