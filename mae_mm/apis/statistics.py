"""Mean and deviation of each band of a folder of images, in one pass."""
import json
import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..checkpoint.writing import AtomicBackend
from ..datasets.nodata import missing_values
from ..datasets.reading import read_bands
from ..datasets.shards import bytes_at
from ..errors import InputError
from ..progress import progress_of
from .inputs import images_in

LABEL_FOLDERS = ('labels', 'annotations', 'masks')


class Moments:
    """Number, mean, sum of squared deviations and extremes of each band, image after image, in float64.

    Images are combined as Chan, Golub and LeVeque do (1983), which loses nothing where values are large and their
    deviation is small.
    """

    def __init__(self, number: int):
        self.count, self.mean, self.squares = (np.zeros(number) for _ in range(3))
        self.low, self.high = np.full(number, np.inf), np.full(number, -np.inf)
        self.missing = 0  # values without data, of all bands

    def add(self, image: np.ndarray, missing: np.ndarray | None) -> None:
        """Take in ``(H, W, C)``, but for what is ``missing``."""
        self.missing += 0 if missing is None else int(missing.sum())
        for i in range(image.shape[2]):
            values = (image[..., i] if missing is None else image[..., i][~missing[..., i]]).astype(np.float64)
            if not values.size:
                continue
            mean, step = values.mean(), values.mean() - self.mean[i]
            total = self.count[i] + values.size
            self.squares[i] += np.square(values - mean).sum() + step**2 * self.count[i] * values.size / total
            self.mean[i] += step * values.size / total
            self.count[i] = total
            self.low[i], self.high[i] = min(self.low[i], values.min()), max(self.high[i], values.max())

    @property
    def std(self) -> np.ndarray:
        return np.sqrt(self.squares / np.maximum(self.count, 1))


def folder_statistics(folder: str, nodata: float | str | None = None) -> dict[str, Any]:
    """Statistics of all images in a folder, or in its ``images`` if it has that and labels beside it.

    Args:
        nodata: value of pixels that are left out, ``'nan'`` for NaN and infinity; also what TIFFs declare then.

    Returns:
        dict: ``mean``, ``std``, ``min`` and ``max`` of each band, ``nodata`` and how many values were ``left_out`` by
            it, the number of ``images``, the ``shape`` of the first, ``(height, width, bands)``, and the ``folder``.

    Raises:
        ValueError: with the file that cannot be read, has other bands than the first or values that are no numbers; or
            with the band that has one value alone.
    """
    there = {name for name in ('images', *LABEL_FOLDERS) if os.path.isdir(os.path.join(folder, name))}
    if 'images' in there and len(there) > 1:
        folder = os.path.join(folder, 'images')
    paths = [path for path, _ in images_in([folder])]
    moments: Moments | None = None
    shape: tuple[int, ...] = ()
    with progress_of(len(paths)) as progress:
        for path in paths:
            content = bytes_at(path)
            image = read_bands(path, content=content)
            moments, shape = moments or Moments(image.shape[2]), shape or image.shape
            if image.shape[2] != len(moments.mean):
                raise InputError(f'{path}: {image.shape[2]} bands, and {paths[0]} has {len(moments.mean)}; all images '
                                 'need the same')
            moments.add(image, missing_values(image, nodata, path, content))
            progress.update()
    assert moments is not None
    _check_spread(moments, folder)
    return dict(mean=moments.mean.tolist(), std=moments.std.tolist(), min=moments.low.tolist(),
                max=moments.high.tolist(), nodata=nodata, left_out=moments.missing, images=len(paths),
                shape=list(shape), folder=os.path.realpath(folder))


def _check_spread(moments: Moments, folder: str) -> None:
    for i, (low, high) in enumerate(zip(moments.low, moments.high, strict=True)):
        if not low < high:
            told = 'has no data' if low > high else f'is {low:g} everywhere'
            raise InputError(f'{folder}: band {i} {told}, so that it cannot be normalised; remove it from the images')


def check_replaced(path: str, folder: str) -> None:
    """See that statistics replace those of the same folder only.

    Raises:
        ValueError: with the file, which holds something else.
    """
    if not os.path.exists(path):
        return
    try:
        with open(path, encoding='utf-8') as file:
            there = json.load(file)['folder']
    except (OSError, KeyError, TypeError, ValueError):
        there = 'something else'
    if there not in [os.path.realpath(os.path.join(folder, inner)) for inner in ('', 'images')]:
        raise InputError(f'{path} is of {there}; --out FILE.json writes elsewhere, or remove it')


def write_statistics(statistics: dict[str, Any], path: str) -> None:
    AtomicBackend().put((json.dumps(statistics, indent=1) + '\n').encode(), path)


def table(statistics: dict[str, Any]) -> Sequence[str]:
    """A line for each band."""
    columns = [statistics[key] for key in ('mean', 'std', 'min', 'max')]
    lines = [f'{"band":>4} {"mean":>12} {"deviation":>12} {"min":>12} {"max":>12}']
    for i, row in enumerate(zip(*columns, strict=True)):
        lines.append(f'{i:>4} ' + ' '.join(f'{value:>12.6g}' for value in row))
    return lines
