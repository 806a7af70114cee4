"""Pictures that are damaged, too large, of another kind, or no pictures, for everything that reads images."""
import functools
import io
import os
import random
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from .image_files import (
    Make,
    bmp_header,
    content,
    cut,
    fifo,
    flip,
    jpeg_header,
    link,
    listening,
    npy_header,
    orientation,
    pickled,
    pillow,
    png_header,
    tiff,
    tiff_header,
    two_images,
    unreadable,
    whole,
)
from .inputs import ACCEPTED, EITHER, NO_PERMISSIONS, REFUSED, BadInput, Place
from .stock import Stock

ALL = ('train-pretrain', 'train-classify', 'train-segment', 'check-classify', 'check-segment', 'test-classify',
       'test-segment', 'predict-classify', 'predict-segment', 'features-pretrain', 'knn', 'probe', 'reconstruct',
       'attention', 'pca', 'evaluate', 'stats')
FEW = ('train-pretrain', 'test-classify', 'predict-segment', 'features-pretrain', 'knn', 'reconstruct', 'stats')
FLAT = 'predict', 'features', 'stats', *Stock.PICTURES  # a folder of images is what they take
NAN = np.full((24, 28, 3), np.nan, np.float32)
FORMATS = ('jpg', 'png', 'tif', 'bmp', 'webp', 'npy')
# What is wrong -> (file's name, makes it, where it is tried).
DAMAGED: dict[str, tuple[str | bytes, Make, Sequence[str]]] = {
    **{f'empty-{suffix}': (f'm.{suffix}', content(b''), ALL if suffix == 'jpg' else FEW) for suffix in FORMATS},
    **{f'text-{suffix}': (f'm.{suffix}', content(b'<html>not found</html>'), FEW) for suffix in FORMATS},
    **{f'zeros-{suffix}': (f'm.{suffix}', content(bytes(2000)), FEW) for suffix in FORMATS},
    **{f'half-{suffix}': (f'm.{suffix}', cut, ALL if suffix in ('png', 'jpg') else FEW) for suffix in FORMATS},
    **{f'start-{suffix}': (f'm.{suffix}', functools.partial(cut, share=.05), FEW) for suffix in FORMATS},
    **{f'nearly-whole-{suffix}': (f'm.{suffix}', functools.partial(cut, share=.9), FEW)
       for suffix in ('jpg', 'png', 'tif', 'npy', 'bmp')},
    'bomb-png': ('m.png', content(png_header(60_000, 60_000)), ALL),
    'bomb-png-more': ('m.png', content(png_header(2**31 - 1, 2**31 - 1)), FEW),
    'bomb-jpg': ('m.jpg', content(jpeg_header(65_000, 65_000)), FEW),
    'bomb-tif': ('m.tif', content(tiff_header(2**31, 2**31)), FEW),
    'bomb-bmp': ('m.bmp', content(bmp_header(2**31 - 1, 2**31 - 1)), FEW),
    'bomb-npy': ('m.npy', content(npy_header((2**40, 2**20, 3))), FEW),
    'negative-bmp': ('m.bmp', content(bmp_header(-5, 0)), FEW),
    'no-pixels-png': ('m.png', content(png_header(0, 0)), FEW),
    'no-pixels-npy': ('m.npy', content(npy_header((0, 28, 3))), FEW),
    'one-dimension-npy': ('m.npy', content(npy_header((100, ))), FEW),
    'complex-npy': ('m.npy', content(npy_header((5, 5), '<c8')), FEW),
    'pickle-npy': ('m.npy', pickled, ALL),
    'bands-first-npy': ('m.npy', content(npy_header((3, 5, 500))), FEW),
    'pipe': ('m.jpg', fifo, ALL),
    'socket': ('m.jpg', listening, FEW),
    'link-to-itself': ('m.jpg', link('m.jpg'), ALL),
    'link-to-nothing': ('m.jpg', link('nowhere.jpg'), ALL),
    'link-to-a-device': ('m.png', link('/dev/zero'), FEW),
    'sixteen-bits-png': ('m.png', pillow('I;16'), ALL[:-1]),
    'nan-tif': ('m.tif', tiff(NAN, photometric='rgb'), ALL),
    'float-tif': ('m.tif', tiff(np.ones((24, 28), np.float32)), FEW[:-1]),
    'complex-tif': ('m.tif', tiff(np.ones((24, 28), np.complex64)), FEW),
    'five-bands-tif': ('m.tif', tiff(np.zeros((24, 28, 5), np.uint8), photometric='minisblack'), FEW),
    'many-bands-tif': ('m.tif', tiff(np.zeros((24, 28, 200), np.uint8), photometric='minisblack'), FEW),
    'two-images-tif': ('m.tif', lambda path, place: two_images(path), FEW),
    'svg': ('m.png', content(b'<svg xmlns="http://www.w3.org/2000/svg"/>'), FEW[:2]),
}
# Smaller than a patch: what is trained and measured refuses it; what only resizes it need not.
SMALL = {f'{height}x{width}': (f'm-{height}x{width}.png', content(whole('png', shape=(height, width, 3))))
         for height, width in ((1, 1), (1, 64), (64, 1), (2, 3), (5000, 1), (1, 5000), (7, 7))}
# Nothing is wrong with these, or nothing that matters.
FINE: dict[str, tuple[str | bytes, Make, str]] = {
    'not-utf8': (b'm\xff\xfe.png', content(whole('png')), 'a name may be of any bytes'),
    'newline': ('m\nm.png', content(whole('png')), 'a name may be of any bytes'),
    'comma-and-quote': ('m,"\'m.png', content(whole('png')), 'a name may be of any bytes'),
    'palette': ('m.png', pillow('P'), 'colours are looked up'),
    'cmyk': ('m.jpg', pillow('CMYK'), 'Pillow and OpenCV turn it into RGB'),
    'wrong-exif': ('m.jpg', pillow('RGB', exif=b'Exif\0\0II*\0\xff\xff\xff\xff'), 'a decoder passes over it'),
    'orientation-9': ('m.jpg', lambda path, place: orientation(path, 9), 'it is no turn'),
    'other-suffix': ('m.png', content(whole('jpg')), 'what it is is seen in its contents'),
    'hidden': ('.m.png', content(b''), 'hidden files are left out, as the docs say'),
}
# Read as RGB like the others; statistics are of the bands that there are.
OF_OTHER_BANDS: dict[str, tuple[str, Make, str]] = {
    'opaque': ('m.png', pillow('RGBA'), 'opacity is left out'),
    'one-bit': ('m.png', pillow('1'), 'black and white becomes RGB'),
    'grey': ('m.png', pillow('L'), 'grey becomes RGB'),
    'long-name': ('m' * 240 + '.png', content(whole('png', shape=(24, 28))), 'outputs may have no room for it'),
}


def inputs(rng: random.Random) -> Iterator[BadInput]:
    for what, (name, make, places) in DAMAGED.items():
        for where in places:
            # Of a JPEG that is cut short OpenCV and Pillow know what is there; ours says so or refuses it.
            first = what == 'two-images-tif' and where != 'stats'
            yield BadInput('pictures', what, where, functools.partial(_with, name, make, where), (_shown(name), ),
                           EITHER if first else REFUSED, 'the first one is read, as OpenCV does' if first else '')
    for what, (name, make) in SMALL.items():
        for where in ALL:
            lenient = where.startswith((*FLAT, 'evaluate')) or where.endswith('segment')
            yield BadInput('pictures', what, where, functools.partial(_with, name, make, where), (_shown(name), ),
                           EITHER if lenient else REFUSED, 'it can be scaled up' if lenient else '')
    for what, (name, make, why) in FINE.items():
        for where in ALL if what == 'not-utf8' else FEW:
            yield BadInput('pictures', what, where, functools.partial(_with, name, make, where), (), ACCEPTED, why)
    for what, (name, make, why) in OF_OTHER_BANDS.items():
        for where in FEW:
            stats = where == 'stats'
            yield BadInput('pictures', what, where, functools.partial(_with, name, make, where), (_shown(name), ),
                           REFUSED if stats else EITHER, '' if stats else why)
    for where in ALL:
        yield BadInput('pictures', 'unreadable', where, functools.partial(_with, 'm.png', unreadable, where),
                       ('m.png', ), skipped=NO_PERMISSIONS)
    for i in range(6):
        for suffix in ('jpg', 'png', 'tif'):
            where = rng.choice(FEW)
            yield BadInput('pictures', f'bytes-changed-{suffix}-{i}', where,
                           functools.partial(_with, f'm.{suffix}', flip, where), (f'm.{suffix}', ), EITHER,
                           'not every byte tells that it changed')
    for where in ALL:
        yield BadInput('pictures', 'folder-named-as-one', where,
                       functools.partial(_with, 'm.jpg', lambda path, place: path.mkdir(), where), (), EITHER,
                       'a folder may have any name, and an empty one holds nothing')


def _shown(name: str | bytes) -> str:
    return (name if isinstance(name, str) else os.fsdecode(name)).partition('\n')[0]


def _with(name: str | bytes, make: Make, where: str, place: Place) -> Sequence[object]:
    """Copy good data, put one more picture among it, and say the command that reads it."""
    command, _, road = where.partition('-')
    road = {'knn': 'classify', 'probe': 'classify', 'evaluate': 'classify'}.get(command, road)
    road = 'pretrain' if command in FLAT else road
    data = place.stock.copy(road, place.inputs)
    split = 'val' if command == 'test' else 'train'
    folder = {'pretrain': data, 'classify': data / split / 'cat', 'segment': data / 'images' / split}[road]
    here = os.getcwd()
    make(Path(os.fsdecode(os.path.join(os.fsencode(folder), os.fsencode(name)))), place)
    os.chdir(here)
    if road == 'segment':
        stem = os.path.splitext(os.fsdecode(name))[0]
        label = whole('png', shape=(24, 28)) if '.' not in stem else b''
        (data / 'labels' / split / f'{stem}.png').write_bytes(_label(folder / os.fsdecode(name)) or label)
    return line(place, where, data)


def _label(image: Path) -> bytes:
    """A label map of a picture's size, as far as that is known."""
    size = 28, 24
    try:
        if os.path.isfile(image):  # opening a pipe would wait for ever
            with Image.open(image) as opened:
                size = opened.size if opened.size[0] * opened.size[1] < 1 << 20 else size
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        pass
    Image.new('L', size).save(stream := io.BytesIO(), 'png')
    return stream.getvalue()


def line(place: Place, where: str, data: Path) -> Sequence[object]:
    """The command that reads a folder of data."""
    stock = place.stock
    command, _, road = where.partition('-')
    if command in ('train', 'check', 'test'):
        return getattr(stock, command)(road, data)
    if command in ('predict', 'features'):
        return getattr(stock, command)(road, data)
    if command in stock.PICTURES:
        return stock.picture(command, data)
    if command == 'evaluate':
        return stock.evaluate(data)
    return ['stats', data, '--out', 'statistics.json'] if command == 'stats' else stock.frozen(command, data)
