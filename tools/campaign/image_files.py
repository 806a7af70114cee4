"""Image files, whole and damaged, as bytes and as functions that write one at a path."""
import io
import os
import socket
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import tifffile
from PIL import Image

from .inputs import Place

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


def two_images(path: Path) -> None:
    with tifffile.TiffWriter(path) as file:
        for side in (24, 40):
            file.write(np.zeros((side, side, 3), np.uint8), photometric='rgb')


def orientation(path: Path, number: int) -> None:
    exif = Image.Exif()
    exif[274] = number
    Image.new('RGB', (28, 24)).save(path, exif=exif)
