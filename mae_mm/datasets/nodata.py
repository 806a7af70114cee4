"""Values of an image that are no measurement: a no-data value, NaN, infinity."""
import numpy as np

from ..errors import InputError
from .reading import header
from .tiff import TIFF_SUFFIXES

NAN = 'nan'
SAY_SO = 'mae-mm stats DIR --nodata'


def missing_values(image: np.ndarray, nodata: float | str | None, path: str | None,
                   content: bytes | None = None) -> np.ndarray | None:
    """Where ``(H, W, C)`` has no data, True; None for nowhere.

    Args:
        nodata: the value, or ``'nan'`` for NaN and infinity. With either, what a TIFF declares (GDAL's tag) has no
            data too. None: everything is data.
        path: the file that the image is from.
        content: of the file, if it has been read already.

    Raises:
        ValueError: with the file, if there are such values and no ``nodata`` says so.
    """
    declared = _declared(path, content)
    valid = valid_values(image, nodata, path, content)
    if nodata != NAN and not (np.isfinite(image) | ~valid).all():
        raise InputError(f'{path or "the image"}: NaN or infinite values; {SAY_SO} nan leaves them out')
    if nodata is None and not valid.all():
        raise InputError(f'{path}: pixels of {declared:g}, which the file declares as no data; {SAY_SO} {declared:g} '
                         'leaves them out')
    return None if valid.all() else ~valid


def valid_values(image: np.ndarray, nodata: float | str | None, path: str | None,
                 content: bytes | None = None) -> np.ndarray:
    """Where ``(H, W, C)`` has data, True: not ``nodata`` nor what the file declares; see :func:`missing_values`."""
    declared = _declared(path, content)
    valid = np.ones(image.shape, bool)
    for value in (declared, nodata):
        if isinstance(value, (int, float)):
            valid &= image != value
    if nodata == NAN and image.dtype.kind == 'f':
        valid &= np.isfinite(image)
    return valid


def _declared(path: str | None, content: bytes | None) -> float | None:
    return header(path, content).nodata if path and path.lower().endswith(TIFF_SUFFIXES) else None
