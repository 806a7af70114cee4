"""Pictures of images that are not 8-bit RGB: three bands, or one in grey, stretched to bytes."""
from collections.abc import Sequence
from typing import Any

import mmcv
import numpy as np

from ..datasets.nodata import valid_values
from ..datasets.reading import header_or_zeros, read_bands
from ..datasets.shards import bytes_at

STRETCH = (2, 98)  # percentiles of a band that become black and full colour


def picture_options(cfg: Any) -> dict[str, Any]:
    """What a config says of pictures, for :func:`read_rgb`."""
    return dict(bands=cfg.get('picture_bands'), nodata=(cfg.get('statistics') or {}).get('nodata'))


def read_rgb(path: str, bands: Sequence[int] | None = None, nodata: float | str | None = None) -> np.ndarray:
    """An image file, on the disk or in shards, as ``(H, W, 3)`` RGB bytes.

    Args:
        bands: three that are shown as red, green and blue, or one in grey. None: 8-bit grey and RGB as it is, of
            others the first three, or the first one of fewer.
        nodata: value of pixels without data, which are black.
    """
    data = bytes_at(path)
    if bands is None and not header_or_zeros(path, data).other_than_rgb:
        return mmcv.imread(path, channel_order='rgb') if data is None else mmcv.imfrombytes(data, channel_order='rgb')
    pixels = read_bands(path, content=data)
    shown = pixels[..., list(shown_bands(pixels.shape[2]) if bands is None else bands)]
    valid = valid_values(shown, nodata, path, data)
    return stretched(shown, shown, valid) if shown.dtype != np.uint8 else as_rgb(np.where(valid, shown, 0))


def shown_bands(number: int) -> tuple[int, ...]:
    """The bands that are shown of so many unless a config says others."""
    return (0, 1, 2) if number > 2 else (0, )


def stretched(pixels: np.ndarray, of: np.ndarray, valid: np.ndarray | bool = True) -> np.ndarray:
    """``(H, W, 3)`` bytes of ``(H, W, 1 or 3)`` values, each band between two percentiles of the same band ``of``.

    What is not ``valid`` is black.
    """
    values = np.where(valid, of, np.nan).astype(np.float32).reshape(-1, of.shape[-1])
    values = np.where(np.isnan(values).all(axis=0), 0, values)  # a band without data
    low, high = np.nanpercentile(values, STRETCH, axis=0)
    shares = (np.where(valid, pixels, low) - low) / np.maximum(high - low, np.finfo(np.float32).tiny)
    return as_rgb((shares.clip(0, 1) * 255).round().astype(np.uint8))


def as_rgb(pixels: np.ndarray) -> np.ndarray:
    """``(H, W, 3)`` of ``(H, W, 1 or 3)``."""
    return np.ascontiguousarray(np.broadcast_to(pixels, (*pixels.shape[:2], 3)))
