"""Pictures that are damaged, too large, of another kind, or no pictures, for everything that reads images."""
import functools
import io
import os
import random
import socket
import struct
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
import tifffile
from PIL import Image

from .inputs import ACCEPTED, EITHER, NO_PERMISSIONS, REFUSED, BadInput, Place

ALL = ('train-pretrain', 'train-classify', 'train-segment', 'check-classify', 'check-segment', 'test-classify',
       'test-segment', 'predict-classify', 'predict-segment', 'features-pretrain', 'knn', 'probe', 'stats')
FEW = ('train-pretrain', 'test-classify', 'predict-segment', 'features-pretrain', 'knn', 'stats')
Make = Callable[[Path, Place], object]  # writes at a path


def whole(suffix: str, seed: int = 0, shape: tuple[int, ...] = (24, 28, 3), most: int = 256) -> bytes:
    """A good image file, of values below ``most``."""
    pixels = np.random.default_rng(seed).integers(most, size=shape).astype(np.uint8)
    if suffix == 'npy':
        np.save(stream := io.BytesIO(), pixels)
        return stream.getvalue()
    return cv2.imencode(f'.{suffix}', pixels)[1].tobytes()


def cut(path: Path, place: Place, share: float = .5) -> None:
    content = whole(path.suffix[1:])
    path.write_bytes(content[:int(len(content) * share)])


def flip(path: Path, place: Place) -> None:
    """Change sixteen bytes after the first hundred."""
    content = bytearray(whole(path.suffix[1:]))
    for _ in range(16):
        content[place.rng.randrange(100, len(content))] = place.rng.randrange(256)
    path.write_bytes(content)


def png_header(width: int, height: int, data: bytes = b'') -> bytes:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack('>I', len(content)) + kind + content + struct.pack('>I', zlib.crc32(kind + content))

    return (b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', struct.pack('>IIBBBBB', width, height, 8, 2, 0, 0, 0))
            + chunk(b'IDAT', data or zlib.compress(bytes(1 << 16))) + chunk(b'IEND', b''))


def bmp_header(width: int, height: int) -> bytes:
    return b'BM' + struct.pack('<IHHI', 1 << 16, 0, 0, 54) + struct.pack(
        '<IiiHHIIiiII', 40, width, height, 1, 24, 0, 0, 0, 0, 0, 0) + bytes(1000)


def npy_header(shape: tuple[int, ...], kind: str = '|u1') -> bytes:
    text = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + '\n'
    return b'\x93NUMPY\x01\x00' + struct.pack('<H', len(text)) + text.encode() + bytes(1000)


def jpeg_header(width: int, height: int) -> bytes:
    """A small JPEG that says it is large."""
    content = bytearray(whole('jpg'))
    place = content.index(b'\xff\xc0')
    content[place + 5:place + 9] = struct.pack('>HH', height, width)
    return bytes(content)


def tiff_header(width: int, height: int) -> bytes:
    tifffile.imwrite(stream := io.BytesIO(), np.zeros((24, 28), np.uint8))
    content = stream.getvalue()
    for tag, value in ((256, width), (257, height)):
        place = content.index(struct.pack('<HH', tag, 4)) if struct.pack('<HH', tag, 4) in content else (
            content.index(struct.pack('<HH', tag, 3)))
        content = content[:place] + struct.pack('<HHII', tag, 4, 1, value) + content[place + 12:]
    return content


def tiff(array: np.ndarray, **options) -> Make:
    return lambda path, place: tifffile.imwrite(path, array, **options)


def pillow(mode: str, shape: tuple[int, int] = (28, 24), **options) -> Make:
    return lambda path, place: Image.new(mode, shape).save(path, **options)


def fifo(path: Path, place: Place) -> None:
    os.mkfifo(path)


def listening(path: Path, place: Place) -> None:
    os.chdir(path.parent)  # a socket's name is short
    socket.socket(socket.AF_UNIX).bind(path.name)


class Touch:
    """An object whose pickle makes a file."""

    def __init__(self, marker: Path):
        self.marker = str(marker)

    def __reduce__(self):
        return open, (self.marker, 'w')


def pickled(path: Path, place: Place) -> None:
    np.save(path, np.array([Touch(place.marker)], dtype=object), allow_pickle=True)


def unreadable(path: Path, place: Place) -> None:
    path.write_bytes(whole(path.suffix[1:]))
    path.chmod(0)


def content(data: bytes) -> Make:
    return lambda path, place: path.write_bytes(data)


def link(target: str) -> Make:
    return lambda path, place: path.symlink_to(target)


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
    'two-images-tif': ('m.tif', lambda path, place: _two_images(path), FEW),
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
    'orientation-9': ('m.jpg', lambda path, place: _orientation(path, 9), 'it is no turn'),
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


def _two_images(path: Path) -> None:
    with tifffile.TiffWriter(path) as file:
        for side in (24, 40):
            file.write(np.zeros((side, side, 3), np.uint8), photometric='rgb')


def _orientation(path: Path, number: int) -> None:
    exif = Image.Exif()
    exif[274] = number
    Image.new('RGB', (28, 24)).save(path, exif=exif)


def inputs(rng: random.Random) -> Iterator[BadInput]:
    for what, (name, make, places) in DAMAGED.items():
        for where in places:
            # Of a JPEG that is cut short OpenCV and Pillow know what is there; ours says so or refuses it.
            yield BadInput('pictures', what, where, functools.partial(_with, name, make, where), (_shown(name), ))
    for what, (name, make) in SMALL.items():
        for where in ALL:
            lenient = where.startswith(('predict', 'features', 'stats')) or where.endswith('segment')
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
    road = {'knn': 'classify', 'probe': 'classify', 'stats': 'pretrain'}.get(command, road)
    road = 'pretrain' if command in ('predict', 'features') else road
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
    return ['stats', data, '--out', 'statistics.json'] if command == 'stats' else stock.frozen(command, data)
