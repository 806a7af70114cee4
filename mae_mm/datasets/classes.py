"""The classes of a segmentation folder: those that a file names, or those that its labels hold."""
import json
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from PIL import Image

from ..errors import InputError, listed
from ..progress import progress_of, tell
from .files import check_file
from .labels import IGNORED, Ignore, read_label, to_classes
from .palette import default_palette

CLASS_FILES = ('classes.txt', 'classes.json')
SHOWN_PROGRESS = 200  # label maps: looking through more can take seconds
_LINE = re.compile(r'(?P<name>.*?)[\s,]+(?P<colour>[-+.\d]+[\s,]+[-+.\d]+[\s,]+[-+.\d]+)')

Colour = tuple[int, int, int]
Named = list[tuple[str, Colour | None]]  # name and colour of each class


def find_classes(data_root: str, labels: Sequence[str], ignore_index: Ignore = IGNORED,
                 reduce_zero_label: bool = False) -> dict[str, Any]:
    """``classes`` and ``palette`` of a folder; ``label_palette`` too, if a file says the colours of RGB masks.

    One line of the log says what was found, and where.

    Args:
        labels: paths of label maps: all are looked at if no file names the classes, else one.

    Raises:
        ValueError: a file of classes that cannot be used, labels that cannot, or one class alone.
    """
    named = read_classes(data_root)
    if named is None:
        names = _found_in_labels(data_root, labels, ignore_index, reduce_zero_label)
        return dict(classes=names, palette=_own_palette(labels[0], len(names), reduce_zero_label))
    names = tuple(name for name, _ in named)
    tell(f'{data_root}: {len(names)} classes: {listed(names)} ({_class_file(data_root)})')
    colours = [colour for _, colour in named if colour is not None]
    if colours:
        return dict(classes=names, palette=colours, label_palette=colours)
    first = read_label(labels[0])
    if first.ndim == 3:
        to_classes(labels[0], first)  # raises: no colours
    return dict(classes=names, palette=_own_palette(labels[0], len(names), reduce_zero_label))


def read_classes(data_root: str) -> Named | None:
    """What ``classes.txt`` or ``classes.json`` in a folder says; None without such a file.

    Raises:
        ValueError: both files, or one that is not a list of classes.
    """
    path = _class_file(data_root)
    if path is None:
        return None
    check_file(path)
    try:
        with open(path, encoding='utf-8-sig') as file:
            named = _of_json(json.load(file)) if path.endswith('.json') else [_of_line(line) for line in file
                                                                              if line.strip()]
    except (OSError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise InputError(f'{path} is not a list of classes, "name" or "name r g b" in each line: {error}') from None
    _check_named(path, named)
    return named


def _class_file(data_root: str) -> str | None:
    there = [path for name in CLASS_FILES if os.path.lexists(path := os.path.join(data_root, name))]
    if len(there) > 1:
        raise InputError(f'{" and ".join(there)} both name classes; keep one of them')
    return there[0] if there else None


def _of_line(line: str) -> tuple[str, Colour | None]:
    match = _LINE.fullmatch(line.strip())
    if match is None:
        return line.strip(), None
    return match['name'], _colour(re.split(r'[\s,]+', match['colour']))


def _of_json(content: Any) -> Named:
    """Of names, of ``{name: colour}``, or of ``{"classes": names, "palette": colours}``."""
    if isinstance(content, dict) and 'classes' in content:
        names, colours = content['classes'], content.get('palette')
    elif isinstance(content, dict):
        names, colours = list(content), list(content.values())
    else:
        names, colours = content, None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ValueError('names of classes are text')
    colours = colours or [None] * len(names)
    return [(name, None if colour is None else _colour(colour))
            for name, colour in zip(names, colours, strict=True)]


def _colour(values: Sequence[Any]) -> Colour:
    numbers = [int(value) for value in values]
    if len(numbers) != 3 or not all(0 <= number <= 255 for number in numbers):
        raise ValueError(f'{listed(map(str, values))} is not a colour, which is three numbers from 0 to 255')
    return numbers[0], numbers[1], numbers[2]


def _check_named(path: str, named: Named) -> None:
    names, colours = [name for name, _ in named], [colour for _, colour in named if colour is not None]
    _check_number(path, names)
    for values, what in ((names, 'name'), (colours, 'colour')):
        twice = [str(value) for i, value in enumerate(values) if value in values[:i]]
        if twice:
            raise InputError(f'{path}: two classes have the {what} {twice[0]}')
    without = [name for name, colour in named if colour is None]
    if colours and without:
        raise InputError(f'{path}: {listed(without)} has no colour and others have one; give it to all or to none')


def _check_number(where: str, names: Sequence[str]) -> None:
    if len(names) < 2:
        raise InputError(f'{where}: a segmentation needs two classes or more, and there is '
                         f'{listed(names) or "none"}')
    if len(names) > IGNORED:
        raise InputError(f'{where}: {len(names)} classes; at most {IGNORED} fit beside the ignored label')


def _found_in_labels(data_root: str, labels: Sequence[str], ignore_index: Ignore,
                     reduce_zero_label: bool) -> tuple[str, ...]:
    found: set[int] = set()
    for path, values in looked_through(labels):
        found.update(map(int, _values(to_classes(path, values, None, ignore_index, reduce_zero_label))))
    ignored, found = IGNORED in found, found - {IGNORED}
    in_files = sorted(value + reduce_zero_label for value in found)
    text = ', '.join(map(str, in_files[:10])) + (', ...' if len(in_files) > 10 else '') or 'nothing'
    text += f' beside the ignored {ignore_index}' if ignored and not reduce_zero_label else ''
    start = f'{data_root}: no classes.txt; labels hold {text}'
    if min(found, default=0) < 0 or len(found) < 2 or max(found) >= min(2 * len(found), IGNORED):
        remedy = ('write 1 in place of 255 in masks of two classes' if ignored and found == {0} else
                  'write 0, 1, 2 and so on, or a classes.txt with a line for each value from 0 on')
        raise InputError(f'{start}: the classes are not clear; {remedy}')
    names = tuple(str(value + reduce_zero_label) for value in range(max(found) + 1))
    tell(f'{start}: {len(names)} classes named {", ".join(names[:10])}{", ..." if len(names) > 10 else ""}')
    return names


def looked_through(paths: Sequence[str]) -> Iterator[tuple[str, np.ndarray]]:
    """``(path, what it holds)`` of label maps; a bar shows the progress of many."""
    with progress_of(len(paths), shown=len(paths) > SHOWN_PROGRESS) as progress:
        for path in paths:
            yield path, read_label(path)
            progress.update()


def _values(labels: np.ndarray) -> Iterable[int]:
    return np.flatnonzero(np.bincount(labels.ravel())) if labels.dtype == np.uint8 else np.unique(labels)


def _own_palette(label: str, number: int, reduce_zero_label: bool) -> list[Colour]:
    """The colours of a palette image if they tell the classes apart, else the default ones."""
    colours: list[Colour] = []
    if not label.lower().endswith('.npy'):
        with Image.open(label) as image:
            flat = (image.getpalette('RGB') or []) if image.mode == 'P' else []
        colours = [(flat[i], flat[i + 1], flat[i + 2]) for i in range(3 * reduce_zero_label, len(flat), 3)][:number]
    return colours if len(set(colours)) == number else list(default_palette(number))
