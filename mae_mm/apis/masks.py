"""Which patches of an image are hidden: drawn, or painted."""
import os
from typing import Any

import cv2
import numpy as np
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from ..checkpoint.grids import Grid
from ..datasets.reading import read_bands
from ..errors import InputError
from ..models.masking import SINGLE, block_order, grid_order, order_of_sample

KINDS = ('random', 'block', 'grid')
SPREAD = 1_000_003  # between the numbers of samples of two seeds
NUMBERS = 2**32  # what a generator tells apart


def drawn_order(kind: str, place: int, seed: int, grid: Grid, num_keep: int, block: Grid = SINGLE) -> Tensor:
    """``(L,)``: the order of the patches of image number ``place`` under a kind of mask, the visible ones first.

    ``block``: what a random mask hides together, as the model was trained.
    """
    if kind == 'grid':
        return grid_order(grid)
    number = (seed * SPREAD + place) % NUMBERS
    return order_of_sample(number, grid, block) if kind == 'random' else block_order(grid, num_keep, number)


def painted_order(hidden: Tensor) -> tuple[Tensor, int]:
    """``(L,)`` order and number of visible patches of ``(h, w)`` booleans, True = hidden.

    Raises:
        ValueError: all patches are hidden, or none.
    """
    num_hidden = int(hidden.sum())
    if not 0 < num_hidden < hidden.numel():
        raise InputError(f'the painted mask hides {num_hidden} of {hidden.numel()} patches; a patch is hidden where '
                         'most of it is white, and at least one must be hidden and one visible')
    return hidden.flatten().int().argsort(stable=True), hidden.numel() - num_hidden


def painted_mask(mask: Any) -> np.ndarray:
    """``(H, W)`` of 0 to 1, white and hidden: of a file, a PIL image, or an array of bytes, booleans or 0 to 1.

    What is transparent is visible.

    Raises:
        ValueError: what is none of these.
    """
    name = os.fspath(mask) if isinstance(mask, (str, os.PathLike)) else 'the mask'
    if isinstance(mask, (str, os.PathLike)):
        if not os.path.exists(name):
            raise InputError(f'mask {name!r} is neither {", ".join(KINDS)} nor a file')
        values = read_bands(name)
    elif isinstance(mask, Image.Image):
        values = np.asarray(mask.convert('RGBA'))
    else:
        values = np.asarray(mask)
    values = values[..., None] if values.ndim == 2 else values
    if values.ndim != 3 or values.shape[2] > 4 or values.dtype.kind not in 'buif' or not values.size:
        raise InputError(f'{name}: an array of shape {values.shape} and type {values.dtype}; a mask is a picture '
                         'whose white parts are hidden, or (H, W) numbers')
    largest = np.iinfo(values.dtype).max if values.dtype.kind in 'ui' else 1
    shares = values.astype(np.float32) / largest
    if not 0 <= shares.min() <= shares.max() <= 1:
        raise InputError(f'{name}: values of {values.min():g} to {values.max():g}; a mask of floats is 0 to 1')
    opacity = shares[..., -1] if shares.shape[2] in (2, 4) else 1
    colours = shares[..., :-1] if shares.shape[2] in (2, 4) else shares
    return colours.mean(axis=2) * opacity


def over_image(painted: np.ndarray, image_size: tuple[int, int]) -> np.ndarray | None:
    """A painted mask in the size of an image; None if it has another shape."""
    height, width = image_size
    if abs(painted.shape[1] - width * painted.shape[0] / height) > 1:
        return None
    return cv2.resize(painted, (width, height), interpolation=cv2.INTER_AREA)


def hidden_patches(painted: Tensor, grid: Grid) -> Tensor:
    """``(h, w)``, True where most of a patch of a ``(H, W)`` mask is white."""
    return F.interpolate(painted[None, None].float(), size=grid, mode='area')[0, 0] > .5
