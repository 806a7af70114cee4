"""Image files: which are known, what their headers say, and their bands as they are stored.

Letters in shapes: H W height and width in pixels, C bands.
"""
import io
import os
import struct
from collections import Counter
from collections.abc import Iterable
from typing import Any, NamedTuple

import cv2
import numpy as np
from PIL import Image, ImageOps

from ..errors import InputError
from .files import check_file
from .tiff import TIFF_SUFFIXES, read_tiff, tiff_header, unreadable

IMAGE_SUFFIXES = ('.jpg', '.jpeg', '.png', '.ppm', '.bmp', '.pgm', '.tif', '.tiff', '.webp', '.npy')
# Of images that nothing here reads.
OTHER_SUFFIXES = ('.gif', '.heic', '.heif', '.avif', '.jp2', '.jxl', '.jfif', '.tga', '.exr', '.hdr', '.dng', '.cr2',
                  '.nef', '.arw', '.npz', '.mat', '.nc', '.h5')
JPEG = b'\xff\xd8'  # how such a file begins
FRAMES, START_OF_SCAN = {*range(0xFFC0, 0xFFD0)} - {0xFFC4, 0xFFC8, 0xFFCC}, 0xFFDA  # markers in it
MAX_BANDS = 128  # what OpenCV resizes
NEED_STATISTICS = ('Images other than 8-bit grey or RGB need statistics of their bands: mae-mm stats DIR writes them '
                   'and says which setting to add to the config that trains the encoder')
PNG_CHANNELS = {0: 1, 2: 3, 3: 3, 4: 2, 6: 4}  # of the colour types; 3 is a palette
MODE_TYPES = {'I;16': 'uint16', 'I;16B': 'uint16', 'I;16L': 'uint16', 'I;16N': 'uint16', 'I': 'int32', 'F': 'float32'}
MODE_CHANNELS = {'1': 1, 'L': 1, 'LA': 2, 'RGBA': 4, **dict.fromkeys(MODE_TYPES, 1)}  # others are read as RGB
# What decoders raise for files that are something else, or end too soon.
DAMAGE = (OSError, ValueError, SyntaxError, AssertionError, AttributeError, LookupError, TypeError, RuntimeError,
          MemoryError, OverflowError, EOFError, struct.error, cv2.error)


class Header(NamedTuple):
    """What a file says of its image; zeros if nothing here knows the format.

    ``nodata`` is the value of pixels without data (GDAL's tag in a TIFF). ``alpha``: the last channel is opacity.
    ``array``: a file of NumPy.
    """
    height: int = 0
    width: int = 0
    channels: int = 0
    dtype: str = ''
    nodata: float | None = None
    alpha: bool = False
    array: bool = False

    @property
    def other_than_rgb(self) -> bool:
        """Whether it is not grey or RGB of 8 bits, which alone are read without statistics; an unknown file may be."""
        grey_or_rgb = self.dtype == 'uint8' and self.channels - self.alpha in (1, 3) and not self.array
        return bool(self.channels) and not grey_or_rgb

    def __str__(self) -> str:
        return f'{self.channels} {"band" if self.channels == 1 else "bands"} of {self.dtype}'


def header(path: str, content: bytes | None = None) -> Header:
    """What the header of an image file says; nothing is decoded.

    Args:
        content: of the file, if it has been read already; then ``path`` is its name alone.

    Raises:
        ValueError: what is no file; a TIFF or ``.npy`` file that cannot be read, or whose values are no plain numbers.
    """
    if content is None:
        check_file(path, 'an image')
    if path.lower().endswith(TIFF_SUFFIXES):
        return Header(*tiff_header(path, content))
    if path.lower().endswith('.npy'):
        values = _map(path, content)
        height, width, channels = (*values.shape, 1)[:3]
        return Header(height, width, channels, str(values.dtype.newbyteorder('=')), array=True)
    told = None if content is None else _jpeg_header(content)
    if told is not None:
        return told
    limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None  # Pillow's own limit raises before it tells the size
    try:
        with Image.open(_source(path, content)) as image:
            if image.format == 'PNG':
                return _png_header(image.fp)
            return Header(image.height, image.width, MODE_CHANNELS.get(image.mode, 3),
                          MODE_TYPES.get(image.mode, 'uint8'), alpha=image.mode in ('LA', 'RGBA'))
    except (OSError, ValueError, SyntaxError):  # left to the decoder, which may know it
        return Header()
    finally:
        Image.MAX_IMAGE_PIXELS = limit


def _jpeg_header(content: bytes) -> Header | None:
    """Of a JPEG of 8 bits, grey or of three colours; None for others. Pillow takes 80 us to find that out."""
    place = 2
    try:
        while content[:2] == JPEG:
            marker, length = struct.unpack_from('>HH', content, place)
            if marker in FRAMES:
                bits, height, width, channels = struct.unpack_from('>BHHB', content, place + 4)
                known = bits == 8 and channels in (1, 3) and height and width
                return Header(height, width, channels, 'uint8') if known else None
            if not 0xFFC0 <= marker <= 0xFFFE or marker == START_OF_SCAN:
                return None
            place += 2 + length
    except struct.error:  # it ends before that
        pass
    return None


def header_or_zeros(path: str, content: bytes | None = None) -> Header:
    """:func:`header`, of zeros also for a file that cannot be read, which is left to its decoder."""
    try:
        return header(path, content)
    except InputError:
        return Header()


def size_in_header(path: str, content: bytes | None = None) -> tuple[int, int]:
    """``(height, width)`` of an image file, which is not decoded; zeros if nothing here knows the format."""
    return header_or_zeros(path, content)[:2]


def _source(path: str, content: bytes | None) -> Any:
    return path if content is None else io.BytesIO(content)


def _png_header(file: Any) -> Header:
    """Of Pillow's mode of a PNG nothing tells that it has 16 bits."""
    file.seek(0)
    width, height, bits, kind = struct.unpack('>IIBB', file.read(26)[16:])
    return Header(height, width, PNG_CHANNELS[kind], 'uint16' if bits == 16 else 'uint8', alpha=kind in (4, 6))


def read_bands(path: str, max_pixels: int = 200_000_000, content: bytes | None = None) -> np.ndarray:
    """``(H, W, C)``: an image as it is stored, colours in the order red, green, blue, opacity.

    PNG, TIFF (:mod:`.tiff`), ``.npy`` (``(H, W)`` or ``(H, W, C)``, never pickled), and what Pillow reads.

    Args:
        max_pixels: an image whose values take more room than so many pixels of RGB floats is refused before it is
            decoded.
        content: of the file, if it has been read already.

    Raises:
        ValueError: with the file.
    """
    told = header(path, content)
    check_size(path, told, max_pixels, bands=True)
    try:
        if path.lower().endswith(TIFF_SUFFIXES):
            pixels = read_tiff(path, content)
        elif path.lower().endswith('.npy'):
            pixels = np.array(_map(path, content))
        elif told.dtype == 'uint16' and told.channels > 1:
            pixels = _read_png16(path, content, told)
        else:
            pixels = _read_with_pillow(_source(path, content))
    except InputError:
        raise
    except DAMAGE as error:
        raise unreadable(path) from error
    return pixels if pixels.ndim == 3 else pixels[..., None]


def check_size(path: str, told: Header, max_pixels: int, bands: bool = False) -> None:
    """Refuse an image that is too large to decode.

    Raises:
        ValueError: with the file, its size and the limit.
    """
    pixels = told.height * told.width
    if bands and told.channels > MAX_BANDS:
        raise InputError(f'{path}: {told.channels} bands are more than {MAX_BANDS}; leave some out')
    if pixels > max_pixels or bands and pixels * told.channels > 3 * max_pixels:
        raise InputError(f'{path}: {told.height}x{told.width} are {pixels:,} pixels, more than max_pixels='
                         f'{max_pixels:,} of LoadImage in the pipeline'
                         f'{f" allows of {told}" if bands else ""}; cut or scale it')


def _read_png16(path: str, content: bytes | None, told: Header) -> np.ndarray:
    values = np.fromfile(path, np.uint8) if content is None else np.frombuffer(content, np.uint8)
    pixels: Any = cv2.imdecode(values, cv2.IMREAD_UNCHANGED)
    order = [0, 3] if told.channels == 2 else [2, 1, 0, 3][:pixels.shape[2]]  # grey comes as three
    return pixels[..., order]


def _read_with_pillow(source: Any) -> np.ndarray:
    limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None  # ours has been checked
    try:
        with Image.open(source) as opened:
            image: Any = ImageOps.exif_transpose(opened)
            if image.mode == '1':
                image = image.convert('L')
            elif image.mode not in ('L', 'LA', 'RGB', 'RGBA', *MODE_TYPES):
                image = image.convert('RGB')
            return np.array(image)
    finally:
        Image.MAX_IMAGE_PIXELS = limit


def _map(path: str, content: bytes | None) -> np.ndarray:
    """``(H, W)`` or ``(H, W, C)``: a ``.npy`` file, of which nothing but the header is read yet."""
    try:
        values = np.load(_source(path, content), mmap_mode='r' if content is None else None, allow_pickle=False)
        if not isinstance(values, np.ndarray):  # a .npz under another name
            raise ValueError
    except DAMAGE as error:
        raise unreadable(path) from error
    if values.ndim not in (2, 3) or values.dtype.kind not in 'buif' or not values.size:
        raise InputError(f'{path}: an array of shape {values.shape} of {values.dtype}; images are (height, width) or '
                         '(height, width, bands) of integers or floats')
    if values.ndim == 3 and values.shape[2] > MAX_BANDS:
        raise InputError(f'{path}: shape {values.shape} is (height, width, bands), and {values.shape[2]} bands are '
                         f'more than {MAX_BANDS}; an array of (bands, height, width) has to be transposed')
    return values


def other_images(names: Iterable[str]) -> str:
    """``'3 .gif, 1 .heic'``: how many files there are of images that nothing here reads; empty if none."""
    counts = Counter(os.path.splitext(name)[1].lower() for name in names)
    return ', '.join(f'{counts[suffix]} {suffix}' for suffix in OTHER_SUFFIXES if counts[suffix])
