"""Transforms that the hosts' pipelines lack."""
from collections.abc import Callable, Sequence
from typing import Any

import cv2
import mmcv
import numpy as np
from mmcv.transforms import BaseTransform, LoadImageFromFile
from mmengine import fileio

from ..errors import InputError
from ..registry import TRANSFORMS
from .files import check_file
from .nodata import missing_values
from .reading import JPEG, NEED_STATISTICS, Header, check_size, header_or_zeros, read_bands
from .sampling import Draw, seed_all
from .tiff import unreadable

# How many times smaller -> the flag of it, which saves the work of decoding what is not there.
SMALLER = {1: 'color', 2: cv2.IMREAD_REDUCED_COLOR_2, 4: cv2.IMREAD_REDUCED_COLOR_4, 8: cv2.IMREAD_REDUCED_COLOR_8}


@TRANSFORMS.register_module()
class SeedSample(BaseTransform):
    """The first of a training pipeline: seeds the random transforms after it by the sample's :class:`Draw`.

    Indices of samplers that are not ours carry no seed and are left as they are.
    """

    def transform(self, results: dict) -> dict:
        index = results.get('sample_idx')
        if isinstance(index, Draw):
            seed_all(*index.key)
            results['sample_idx'] = int(index)
        return results


# The other names are those that the hosts' inferencers look for in a test pipeline and put there: configs write
# dict(type='LoadImageFromFile', _scope_='mae_mm').
@TRANSFORMS.register_module(name=['LoadImage', 'LoadImageFromFile', 'LoadImageFromNDArray', 'InferencerLoader'])
class LoadImage(LoadImageFromFile):
    """mmcv's ``LoadImageFromFile``, with a line that names the file where it cannot be read or decoded.

    A file is opened once, and not at all where the results have its content (``img_bytes``): then ``img_path`` is its
    name in messages. It also takes what the hosts' inferencers give: a path, an array as OpenCV reads it (BGR), or
    results with ``img``.

    Args:
        max_pixels: an image of more is refused before it is decoded.
        bands: None reads 8-bit images as OpenCV does. A number reads that many bands of any type
            (:func:`~mae_mm.datasets.reading.read_bands`) as float32, in the file's order; arrays have the same order.
        nodata: value of pixels without data, ``'nan'`` for NaN and infinity. None: there are none, and NaN is refused.
        fill: a value of each band in place of ``nodata``.

    Raises:
        ValueError: with the file.
    """

    def __init__(self, *args: Any, max_pixels: int = 200_000_000, bands: int | None = None,
                 nodata: float | str | None = None, fill: Sequence[float] = (), **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.max_pixels = max_pixels
        self.bands, self.nodata, self.fill = bands, nodata, fill

    def transform(self, results: dict | str | np.ndarray) -> dict | None:
        return self.read(results)

    def read(self, results: dict | str | np.ndarray, shrink: Callable[[Header], int] = lambda _: 1) -> dict | None:
        """The results with the image.

        Args:
            shrink: from a header to how many times smaller an 8-bit JPEG is decoded (1, 2, 4 or 8); 1 costs the most.
        """
        if not isinstance(results, dict):
            results = dict(img=results) if isinstance(results, np.ndarray) else dict(img_path=results)
        path: Any = results.get('img_path')
        content = results.pop('img_bytes', None)
        if 'img' in results:
            image = results['img']
            image = image if self.bands is None else self._bands_of(image, path)
            return dict(results, img=image, img_path=path, img_shape=image.shape[:2], ori_shape=image.shape[:2])
        if self.bands is not None:
            image = self._bands_of(read_bands(path, self.max_pixels, content), path, content)
            return dict(results, img=image, img_shape=image.shape[:2], ori_shape=image.shape[:2])
        content = self._content_of(path) if content is None else content
        told = header_or_zeros(path, content)
        if told.other_than_rgb:
            raise InputError(f'{path}: {told}. {NEED_STATISTICS}')
        check_size(path, told, self.max_pixels)
        flag = self.color_type
        if content[:2] == JPEG and flag == 'color' and self.imdecode_backend == 'cv2':
            flag = SMALLER[shrink(told)]
        try:
            image = mmcv.imfrombytes(content, flag=flag, backend=self.imdecode_backend)
        except (OSError, ValueError, AssertionError, AttributeError, cv2.error) as error:
            raise unreadable(path) from error
        if image is None:
            if self.ignore_empty:
                return None
            raise unreadable(path)
        image = image.astype(np.float32) if self.to_float32 else image
        return dict(results, img=image, img_shape=image.shape[:2], ori_shape=image.shape[:2])

    def _content_of(self, path: str) -> bytes:
        check_file(path, 'an image')
        try:
            return fileio.get(path, backend_args=self.backend_args)
        except OSError as error:
            raise unreadable(path) from error

    def _bands_of(self, image: np.ndarray, path: str | None, content: bytes | None = None) -> np.ndarray:
        """``(H, W, C)`` as float32, with as many bands as there should be, and finite."""
        image = image if image.ndim == 3 else image[..., None]
        if image.shape[2] != self.bands:
            raise InputError(f'{path or "the image"}: {image.shape[2]} bands, and the statistics are of {self.bands}')
        missing = missing_values(image, self.nodata, path, content)
        pixels = image.astype(np.float32)
        if missing is not None:
            np.copyto(pixels, np.asarray(self.fill, np.float32), where=missing)
        return pixels


@TRANSFORMS.register_module()
class CheckLabels(BaseTransform):
    """Refuse a label map with values that are no class; place it right after ``LoadAnnotations``.

    Unchecked, such a value ends training in an error that names no file, and drops out of a mIoU in silence.

    Args:
        num_classes: labels are 0 to ``num_classes - 1``; None if the data set says it with each image.
        ignore_index: one more value that is allowed.

    Raises:
        ValueError: with the file and the values, as they are in it.
    """

    def __init__(self, num_classes: int | None = None, ignore_index: int = 255):
        self.num_classes = num_classes
        self.ignore_index = ignore_index

    def transform(self, results: dict) -> dict:
        if 'gt_seg_map' not in results:  # an image without labels, of which a host asks a prediction
            return results
        number = results.get('num_classes') if self.num_classes is None else self.num_classes
        if number is None:
            raise InputError('CheckLabels in the pipeline has no num_classes, and the data set names no classes')
        labels = results['gt_seg_map']
        wrong = ((labels >= number) | (labels < 0)) & (labels != self.ignore_index)
        if wrong.any():
            first = int(results.get('reduce_zero_label') or 0)
            values = ', '.join(str(int(value) + first) for value in np.unique(labels[wrong])[:5])
            ignored = '0 and 255 are' if first else f'{self.ignore_index} is'
            raise InputError(f'{results["seg_map_path"]}: label {values} is not a class; classes are {first} to '
                             f'{number - 1 + first}, and {ignored} ignored')
        return results
