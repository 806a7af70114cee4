"""Transforms that the hosts' pipelines lack."""
from typing import Any

import cv2
import numpy as np
from mmcv.transforms import BaseTransform, LoadImageFromFile

from ..errors import InputError
from ..registry import TRANSFORMS
from .reading import size_in_header
from .sampling import Draw, seed_all


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

    It takes what the hosts' inferencers give: a path, an array as OpenCV reads it (BGR), or results with ``img``.

    Args:
        max_pixels: an image of more is refused before it is decoded.

    Raises:
        ValueError: with the file.
    """

    def __init__(self, *args: Any, max_pixels: int = 200_000_000, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.max_pixels = max_pixels

    def transform(self, results: dict | str | np.ndarray) -> dict:
        if not isinstance(results, dict):
            results = dict(img=results) if isinstance(results, np.ndarray) else dict(img_path=results)
        if 'img' in results:
            shape = results['img'].shape[:2]
            return dict(results, img_path=results.get('img_path'), img_shape=shape, ori_shape=shape)
        height, width = size_in_header(results['img_path'])
        if height * width > self.max_pixels:
            raise InputError(f'{results["img_path"]}: {height}x{width} are {height * width:,} pixels, more than '
                             f'max_pixels={self.max_pixels:,} of LoadImage in the pipeline; cut or scale it')
        try:
            return super().transform(results)
        except (OSError, ValueError, AssertionError, AttributeError, cv2.error) as error:
            raise InputError(f'{results["img_path"]} cannot be read as an image; mend it or remove it') from error


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
            raise InputError(f'{results["seg_map_path"]}: label {values} is no class; classes are {first} to '
                             f'{number - 1 + first}, and {ignored} ignored')
        return results
