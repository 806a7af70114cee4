"""Label maps that are damaged, of another kind or size, or hold what is not a class."""
import functools
import os
import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image

from .image_files import bmp_header, content, fifo, link, npy_header, pickled, png_header, unreadable, whole
from .inputs import ACCEPTED, EITHER, NO_PERMISSIONS, REFUSED, BadInput, Place

WHERE = ('train-segment', 'check-segment', 'test-segment')
Make = Callable[[Path, Place], object]
SHAPE = 24, 28


def saved(values: np.ndarray, **options) -> Make:
    return lambda path, place: Image.fromarray(values).save(path, **options)


def tiff(values: np.ndarray) -> Make:
    return lambda path, place: tifffile.imwrite(path, values)


def array(values: np.ndarray) -> Make:
    return lambda path, place: np.save(path, values)


def valued(value: int, kind: type = np.uint8) -> np.ndarray:
    values = np.zeros(SHAPE, kind)
    values[3, 4] = value
    return values


def cut(share: float) -> Make:
    png = whole('png', shape=SHAPE)
    return content(png[:int(len(png) * share)])


def transparent(path: Path, place: Place) -> None:
    Image.new('LA', SHAPE[::-1], (1, 0)).save(path)


def two_pages(path: Path, place: Place) -> None:
    pages = [Image.new('L', SHAPE[::-1]) for _ in range(2)]
    pages[0].save(path, save_all=True, append_images=pages[1:])


def palette(path: Path, place: Place) -> None:
    image = Image.fromarray(valued(2))
    image.putpalette([9, 9, 9, 200, 0, 0, 0, 0, 200])
    image.save(path)


def nothing(path: Path, place: Place) -> None:
    """No label map."""


# What is wrong -> (suffix of the label map, makes it).
BROKEN: dict[str, tuple[str, Make]] = {
    **{f'empty-{suffix}': (suffix, content(b'')) for suffix in ('png', 'tif', 'npy', 'bmp')},
    **{f'text-{suffix}': (suffix, content(b'<html>not found</html>')) for suffix in ('png', 'tif', 'npy')},
    'zeros': ('png', content(bytes(3000))),
    'start': ('png', cut(.04)), 'half': ('png', cut(.5)), 'nearly-whole': ('png', cut(.9)),
    'missing': ('png', nothing),
    'bomb-png': ('png', content(png_header(60_000, 60_000))),
    'bomb-bmp': ('bmp', content(bmp_header(2**31 - 1, 2**31 - 1))),
    'bomb-npy': ('npy', content(npy_header((2**40, 2**20)))),
    'pickle-npy': ('npy', pickled),
    'floats-npy': ('npy', array(np.zeros(SHAPE))),
    'one-dimension-npy': ('npy', array(np.zeros(100, np.uint8))),
    'floats-tif': ('tif', tiff(np.zeros(SHAPE, np.float32))),
    'two-pages-tif': ('tif', two_pages),
    'transparent': ('png', transparent),
    'photograph': ('png', content(whole('png'))),
    'colour-that-is-no-class': ('png', saved(np.full((*SHAPE, 3), 7, np.uint8))),
    'other-size': ('png', saved(np.zeros((20, 20), np.uint8))),
    'turned': ('png', saved(np.zeros(SHAPE[::-1], np.uint8))),
    'one-row': ('png', saved(np.zeros((1, 28), np.uint8))),
    **{f'value-{value}': ('png', saved(valued(value))) for value in (3, 77, 254)},
    'value-300': ('png', saved(valued(300, np.uint16))),
    'value-65535': ('png', saved(valued(65535, np.uint16))),
    'value-minus-1': ('npy', array(valued(-1, np.int32))),
    'value-of-64-bits': ('npy', array(valued(2**62, np.int64))),
    'lossy': ('jpg', content(whole('jpg', shape=SHAPE))),
    'pipe': ('png', fifo),
    'link-to-itself': ('png', link('m.png')),
    'link-to-nothing': ('png', link('nowhere.png')),
    'folder-named-as-one': ('png', lambda path, place: path.mkdir()),
}
FINE: dict[str, tuple[str, Make, str]] = {
    'value-255': ('png', saved(valued(255)), '255 is ignored'),
    'sixteen-bits': ('png', saved(valued(2, np.uint16)), 'its values are classes'),
    'one-bit': ('png', saved(valued(1).astype(bool)), '0 and 1 are classes'),
    'palette': ('png', palette, 'its indices are classes'),
    'colours': ('png', saved(np.full((*SHAPE, 3), (250, 40, 40), np.uint8)), 'the colours of classes.txt'),
    'one-class': ('png', saved(np.zeros(SHAPE, np.uint8)), 'an image may show one class'),
    'all-ignored': ('png', saved(np.full(SHAPE, 255, np.uint8)), 'nothing in an image need be labelled'),
    'booleans-npy': ('npy', array(np.zeros(SHAPE, bool)), '0 and 1 are classes'),
}


def inputs(rng: random.Random) -> Iterator[BadInput]:
    for what, (suffix, make) in BROKEN.items():
        for where in WHERE:
            yield BadInput('labels', what, where, functools.partial(_with, suffix, make, _split(where), where),
                           ('m.', ))
        yield BadInput('labels', f'{what}-in-validation', WHERE[0],
                       functools.partial(_with, suffix, make, 'val', WHERE[0]), ('m.', ))
    for what, (suffix, make, why) in FINE.items():
        for where in WHERE:
            yield BadInput('labels', what, where, functools.partial(_with, suffix, make, _split(where), where), (),
                           ACCEPTED, why)
    for where in WHERE:
        yield BadInput('labels', 'unreadable', where,
                       functools.partial(_with, 'png', unreadable, _split(where), where), ('m.', ),
                       skipped=NO_PERMISSIONS)
        for what, make, expected, why in FOLDERS:
            yield BadInput('labels', what, where, functools.partial(_changed, make, where), ('labels', 'm.'), expected,
                           why)


def _with(suffix: str, make: Make, split: str, where: str, place: Place) -> Sequence[object]:
    """Good scenes, and one more image with this label map in a split."""
    data = place.stock.copy('segment', place.inputs)
    (data / 'images' / split / 'm.png').write_bytes(whole('png', seed=1))
    make(data / 'labels' / split / f'm.{suffix}', place)
    return _line(where, data, place)


def _split(where: str) -> str:
    return 'val' if where.startswith('test') else 'train'


def _line(where: str, data: Path, place: Place) -> Sequence[object]:
    return getattr(place.stock, where.partition('-')[0])('segment', data)


def _changed(make: Callable[[Path, str], object], where: str, place: Place) -> Sequence[object]:
    data = place.stock.copy('segment', place.inputs)
    make(data, _split(where))
    return _line(where, data, place)


def _photo(data: Path, split: str, turned_label: bool) -> None:
    """A photograph that a camera turned, with a label map as it is shown or as it is stored."""
    exif = Image.Exif()
    exif[274] = 6
    Image.new('RGB', SHAPE[::-1]).save(data / 'images' / split / 'm.jpg', exif=exif)
    Image.new('L', SHAPE if turned_label else SHAPE[::-1]).save(data / 'labels' / split / 'm.png')


def _twice(data: Path, split: str) -> None:
    (data / 'images' / split / 'm.png').write_bytes(whole('png'))
    for suffix in ('png', 'bmp'):
        Image.new('L', SHAPE[::-1]).save(data / 'labels' / split / f'm.{suffix}')


def _lonely(data: Path, split: str) -> None:
    Image.new('L', SHAPE[::-1]).save(data / 'labels' / split / 'm.png')


def _strange_name(data: Path, split: str) -> None:
    for kind in ('images', 'labels'):
        path = os.path.join(os.fsencode(data), kind.encode(), split.encode(), b'm\xff.png')
        Path(os.fsdecode(path)).write_bytes(whole('png') if kind == 'images' else whole('png', shape=SHAPE, most=3))


def _without_classes(values: tuple[int, ...]) -> Callable[[Path, str], None]:
    def change(data: Path, split: str) -> None:
        (data / 'classes.txt').unlink()
        for path in (data / 'labels').rglob('*.png'):
            Image.fromarray(np.resize(np.array(values, np.uint8), SHAPE)).save(path)
    return change


FOLDERS: tuple[tuple[str, Callable[[Path, str], object], str, str], ...] = (
    ('photograph-turned-and-label-not', functools.partial(_photo, turned_label=False), REFUSED, ''),
    ('photograph-and-label-turned', functools.partial(_photo, turned_label=True), EITHER, 'both are as shown'),
    ('two-of-one-name', _twice, REFUSED, ''),
    ('label-without-image', _lonely, EITHER, 'what has no image is told and left out'),
    ('not-utf8', _strange_name, EITHER, 'a name may be of any bytes'),
    ('no-classes-and-gaps', _without_classes((0, 7)), REFUSED, ''),
    ('no-classes-and-one-value', _without_classes((0, )), REFUSED, ''),
    ('no-classes-and-ignored-alone', _without_classes((255, )), REFUSED, ''),
    ('no-classes-and-0-and-255', _without_classes((0, 255)), REFUSED, ''),
)
