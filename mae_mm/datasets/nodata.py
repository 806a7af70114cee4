"""Values of an image that are no measurement: a no-data value, NaN, infinity."""
import numpy as np

from ..errors import InputError
from .reading import header
from .tiff import TIFF_SUFFIXES

NAN = 'nan'
SAY_SO = 'mae-mm stats DIR --nodata'


def missing_values(image: np.ndarray, nodata: float | str | None, path: str | None) -> np.ndarray | None:
    """Where ``(H, W, C)`` has no data, True; None for nowhere.

    Args:
        nodata: the value, or ``'nan'`` for NaN and infinity. With either, what a TIFF declares (GDAL's tag) has no
            data too. None: everything is data.
        path: the file that the image is from.

    Raises:
        ValueError: with the file, if there are such values and no ``nodata`` says so.
    """
    declared = header(path).nodata if path and path.lower().endswith(TIFF_SUFFIXES) else None
    missing = [] if declared is None else [image == declared]
    if isinstance(nodata, (int, float)):
        missing.append(image == nodata)
    invalid = ~np.isfinite(image) if image.dtype.kind == 'f' else np.zeros(1, bool)
    if nodata == NAN:
        missing.append(invalid)
    elif (invalid if not missing else invalid & ~np.logical_or.reduce(missing)).any():
        raise InputError(f'{path or "the image"}: NaN or infinite values; {SAY_SO} nan leaves them out')
    if nodata is None and missing and missing[0].any():
        raise InputError(f'{path}: pixels of {declared:g}, which the file declares as no data; {SAY_SO} {declared:g} '
                         'leaves them out')
    return np.logical_or.reduce(np.broadcast_arrays(*missing)) if missing else None
