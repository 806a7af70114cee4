"""Random crops of images, decoded and scaled natively.

Letters in shapes: H W height and width of an image in pixels, h w those of a crop, C channels.
"""
import math
import random
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from mmcv.transforms import BaseTransform

from ..errors import InputError
from ..registry import TRANSFORMS
from .reading import Header
from .transforms import LoadImage

TRIES = 10  # as torchvision's


@TRANSFORMS.register_module()
class LoadCrop(BaseTransform):
    """Load an image and take a random crop of it, scaled to one size and flipped or not.

    The crops are those of torchvision's ``RandomResizedCrop``; the pixels those of Pillow's bicubic filter, from a
    kernel of PyTorch that takes a third of its time. A JPEG of which every crop will be scaled down to less than half
    is decoded at half of its size, or a quarter, or an eighth.

    The last image is kept: for all views of it that follow each other (:class:`.EpochSampler`) it is decoded once.

    Args:
        size: of the result, side or ``(height, width)``.
        area: least and largest share of the image that a crop has.
        ratio: least and largest ratio of its width to its height.
        flip: probability of a flip from left to right.
        kwargs: those of :class:`.LoadImage`.

    Raises:
        ValueError: an argument that is none of these, or what LoadImage refuses.
    """

    def __init__(self, size: int | Sequence[int], area: Sequence[float] = (0.2, 1.),
                 ratio: Sequence[float] = (3 / 4, 4 / 3), flip: float = 0.5, **kwargs: Any):
        self.size = (size, size) if isinstance(size, int) else tuple(size)
        self.area, self.ratio, self.flip = tuple(area), tuple(ratio), flip
        if len(self.size) != 2 or not all(isinstance(side, int) and side > 0 for side in self.size):
            raise InputError(f'LoadCrop: size={size} is neither a side in pixels nor (height, width)')
        if not (len(self.area) == 2 and 0 < self.area[0] <= self.area[1] <= 1):
            raise InputError(f'LoadCrop: area={area} is not a least and a largest share, above 0 and up to 1')
        if not (len(self.ratio) == 2 and 0 < self.ratio[0] <= self.ratio[1] < math.inf):
            raise InputError(f'LoadCrop: ratio={ratio} is not a least and a largest ratio of width to height')
        if not 0 <= flip <= 1:
            raise InputError(f'LoadCrop: flip={flip} is not a probability')
        self.load = LoadImage(**kwargs)
        self._kept: tuple[int, np.ndarray] | None = None  # number of the sample, and its image

    def transform(self, results: dict) -> dict | None:
        number = None if 'img' in results else results.get('sample_idx')
        if self._kept and self._kept[0] == number:
            results.pop('img_bytes', None)
            image = self._kept[1]
        else:
            self._kept = None
            loaded = self.load.read(results, self._shrink)
            if loaded is None:
                return None
            results, image = loaded, loaded.pop('img')
            self._kept = None if number is None else (number, image)
        top, left, height, width = draw_crop(image.shape[0], image.shape[1], self.area, self.ratio)
        pixels = resized(image[top:top + height, left:left + width], self.size)
        if random.random() < self.flip:
            pixels = cv2.flip(pixels, 1).reshape(pixels.shape)  # which drops the axis of a single channel
        return dict(results, img=pixels, img_shape=pixels.shape[:2], ori_shape=image.shape[:2])

    def _shrink(self, told: Header) -> int:
        """How many times smaller an image can be decoded whose crops then still have more pixels than the result."""
        pixels = told.height * told.width * self.area[0]
        # A file may ask for a turn by a quarter, so that its height is the width.
        least = min(math.sqrt(pixels / self.ratio[1]), math.sqrt(pixels * self.ratio[0]), told.height, told.width)
        return max(times for times in (1, 2, 4, 8) if times == 1 or least >= times * max(self.size))


def draw_crop(height: int, width: int, area: Sequence[float],
              ratio: Sequence[float]) -> tuple[int, int, int, int]:
    """``(top, left, height, width)`` of a random crop, as torchvision's ``RandomResizedCrop.get_params`` draws it."""
    logs = math.log(ratio[0]), math.log(ratio[1])
    for _ in range(TRIES):
        pixels = height * width * random.uniform(*area)
        shape = math.exp(random.uniform(*logs))
        w, h = round(math.sqrt(pixels * shape)), round(math.sqrt(pixels / shape))
        if 0 < w <= width and 0 < h <= height:
            return random.randint(0, height - h), random.randint(0, width - w), h, w
    # The centre, of the ratio that is nearest to the image's.
    w, h = width, height
    if width / height < ratio[0]:
        h = min(round(width / ratio[0]), height)
    elif width / height > ratio[1]:
        w = min(round(height * ratio[1]), width)
    return (height - h) // 2, (width - w) // 2, h, w


def resized(image: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
    """``(h, w, C)``, of any type, scaled to a size by a bicubic filter that is as wide as the scale: Pillow's."""
    pixels = torch.from_numpy(image)[None].permute(0, 3, 1, 2)  # 1 C h w, channels last in memory: the fast kernel's
    pixels = F.interpolate(pixels, size, mode='bicubic', antialias=True)
    return np.ascontiguousarray(pixels.permute(0, 2, 3, 1)[0].numpy())
