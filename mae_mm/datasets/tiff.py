"""TIFF files, read by tifffile: integers and floats, strips and tiles, bands in one page or a page each.

Letters in shapes: H W height and width in pixels, C bands.
"""
import io
import logging
import re
from collections.abc import Iterator

import numpy as np
import tifffile

from ..errors import InputError

TIFF_SUFFIXES = ('.tif', '.tiff')
GDAL_NODATA = 42113
REDUCED_OR_MASK = 1 | 4  # of NewSubfileType: overviews, and masks of other pages
ALPHA = (1, 2)  # of ExtraSamples
MAX_PAGES = 1024
logging.getLogger('tifffile').setLevel(logging.CRITICAL)  # its notes on damage come before the error


def tiff_header(path: str, content: bytes | None = None) -> tuple[int, int, int, str, float | None, bool]:
    """``(height, width, bands, type of values, no-data value, whether the last band is opacity)``.

    Args:
        content: of the file, if it has been read already.

    Raises:
        ValueError: no TIFF, or one whose pages are not the bands of one image.
    """
    with _opened(path, content) as file:
        pages = list(_pages(file, path))
        first = pages[0]
        bands = first.samplesperpixel if len(pages) == 1 else len(pages)
        kind = first.dtype
        if kind is None or kind.kind not in 'buif' or first.imagedepth != 1 or not first.imagewidth * (
                first.imagelength):
            raise InputError(f'{path}: a TIFF whose values are not integers or floats in two dimensions')
        extra = [int(sample) for sample in first.extrasamples]
        return (first.imagelength, first.imagewidth, bands, str(kind.newbyteorder('=')), _nodata(first),
                len(extra) == 1 and extra[0] in ALPHA)


def read_tiff(path: str, content: bytes | None = None) -> np.ndarray:
    """``(H, W, C)``, or ``(H, W)`` of one band, as it is stored; see :func:`tiff_header`."""
    with _opened(path, content) as file:
        try:
            planes = [page.asarray() for page in _pages(file, path)]
        except InputError:
            raise
        except Exception as error:
            if 'imagecodecs' not in str(error):
                raise unreadable(path) from error
            codec = re.search(r'(\w+\.\w+)', str(error))  # tifffile itself undoes Deflate, LZMA and PackBits
            raise InputError(f'{path}: {codec[1] if codec else "its compression"} needs one more package: '
                             'pip install imagecodecs') from None
        if len(planes) > 1:
            return np.stack(planes, axis=-1)
        separate = file.pages[0].samplesperpixel > 1 and file.pages[0].planarconfig == 2
        return np.moveaxis(planes[0], 0, -1) if separate else planes[0]


def unreadable(path: str) -> InputError:
    return InputError(f'{path} cannot be read as an image; mend it or remove it')


def _opened(path: str, content: bytes | None) -> tifffile.TiffFile:
    try:
        return tifffile.TiffFile(path if content is None else io.BytesIO(content))
    except Exception as error:
        raise unreadable(path) from error


def _pages(file: tifffile.TiffFile, path: str) -> Iterator[tifffile.TiffPage]:
    """The pages of the image: the first one and, if they are its other bands, those like it."""
    first = None
    for i in range(MAX_PAGES + 1):
        try:
            page = file.pages[i]
        except IndexError:
            break
        except Exception as error:
            raise unreadable(path) from error
        if not isinstance(page, tifffile.TiffPage) or i and page.subfiletype & REDUCED_OR_MASK:
            continue
        if first is not None and (page.shape, page.dtype) != (first.shape, first.dtype) or (
                i == MAX_PAGES or first is not None and page.samplesperpixel > 1):
            raise InputError(f'{path}: a TIFF of several images; split it into one file each')
        first = first or page
        yield page
    if first is None:
        raise InputError(f'{path}: a TIFF without an image')


def _nodata(page: tifffile.TiffPage) -> float | None:
    tag = page.tags.get(GDAL_NODATA)
    try:
        return None if tag is None else float(str(tag.value).strip('\0 '))
    except ValueError:
        return None
