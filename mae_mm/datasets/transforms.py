"""Transforms that the hosts' pipelines lack."""
import cv2
import numpy as np
from mmcv.transforms import BaseTransform, LoadImageFromFile

from ..errors import InputError
from ..registry import TRANSFORMS
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


@TRANSFORMS.register_module()
class LoadImage(LoadImageFromFile):
    """mmcv's ``LoadImageFromFile``, with a line that names the file where it cannot be read or decoded.

    Raises:
        ValueError: with the file.
    """

    def transform(self, results: dict) -> dict:
        try:
            return super().transform(results)
        except (OSError, ValueError, AssertionError, AttributeError, cv2.error) as error:
            raise InputError(f'{results["img_path"]} cannot be read as an image; mend it or remove it') from error


@TRANSFORMS.register_module()
class CheckLabels(BaseTransform):
    """Refuse a label map with values that are no class; place it right after ``LoadAnnotations``.

    Unchecked, such a value ends training in an error that names no file, and drops out of a mIoU in silence.

    Args:
        num_classes: labels are 0 to ``num_classes - 1``.
        ignore_index: one more value that is allowed.

    Raises:
        ValueError: with the file and the values.
    """

    def __init__(self, num_classes: int, ignore_index: int = 255):
        self.num_classes = num_classes
        self.ignore_index = ignore_index

    def transform(self, results: dict) -> dict:
        labels = results['gt_seg_map']
        wrong = (labels >= self.num_classes) & (labels != self.ignore_index)
        if wrong.any():
            values = ', '.join(map(str, np.unique(labels[wrong])[:5]))
            raise InputError(f'{results["seg_map_path"]}: label {values} is no class; classes are 0 to '
                             f'{self.num_classes - 1}, and {self.ignore_index} is ignored')
        return results
