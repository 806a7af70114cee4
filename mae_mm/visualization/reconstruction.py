"""Pictures of reconstructions.

Letters in shapes: B batch, L patches of an image (h w of them), C channels, p side of a patch.
"""
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..models import MaskedAutoencoder
from ..models.masking import num_visible, order_of_sample
from ..models.patches import neighbour_statistics, patch_statistics, patchify, unpatchify
from .bands import shown_bands, stretched
from .segmentation import side_by_side

HIDDEN_GREY = 128
# Whose mean and deviation normalised predictions get in a picture: the visible patches' around, or the hidden ones'.
STATISTICS = ('visible', 'true')


class Pictures(NamedTuple):
    """``(H, W, 3)`` RGB bytes of an image: what is visible of it, the hidden rest filled in by a model, and all."""
    visible: np.ndarray
    reconstruction: np.ndarray
    image: np.ndarray
    mask: np.ndarray  # (h, w) patches, True = hidden
    predicted: np.ndarray  # by the model alone, in the place of visible patches too


def reconstruction_pictures(model: MaskedAutoencoder, images: Tensor, orders: Tensor, num_keep: int,
                            bands: Sequence[int] | None = None, statistics: str = 'visible') -> list[Pictures]:
    """What a model makes of ``(B, C, H, W)`` inputs.

    Args:
        orders: ``(B, L)`` orders of the patches, the ``num_keep`` visible ones first.
        bands: those that are shown, stretched, of images other than 8-bit RGB (:func:`.bands.read_rgb`).
        statistics: one of ``STATISTICS``, for models of normalised patches.
    """
    grid, patch = model.backbone.grid_of(*images.shape[2:]), model.backbone.patch_size
    done = model.reconstruct(images, ids_shuffle=orders.to(images.device), num_keep=num_keep)
    patches = patchify(images, patch).float()
    pixels = done.pred.float()
    if model.norm_pix:
        mean, std = patch_statistics(patches) if statistics == 'true' else neighbour_statistics(
            patches, done.mask, grid)
        pixels = pixels * std + mean
    hidden = done.mask[..., None]
    hidden_pixels = unpatchify(hidden.expand_as(patches), patch, grid)[:, 0].cpu().numpy()  # B H W
    filled = torch.where(hidden, pixels, patches)
    shown, predicted, merged = (to_bytes(model, part, bands, images) for part in (
        images.float(), unpatchify(pixels, patch, grid), unpatchify(filled, patch, grid)))
    visible = np.where(hidden_pixels[..., None], np.uint8(HIDDEN_GREY), shown)
    return list(map(Pictures, visible, merged, shown, done.mask.unflatten(1, grid).cpu().numpy(), predicted))


def reconstruction_strips(model: MaskedAutoencoder, data_batch: dict[str, Any],
                          bands: Sequence[int] | None = None) -> list[np.ndarray]:
    """For each image of a batch its :class:`Pictures`, side by side, under a mask that follows from its number."""
    batch = model.data_preprocessor(data_batch, False)
    h, w = grid = model.backbone.grid_of(*batch['inputs'].shape[2:])
    orders = torch.stack([order_of_sample(sample.sample_idx, grid, model.mask_block)
                          for sample in batch['data_samples']])
    return [side_by_side(pictures[:3]) for pictures in
            reconstruction_pictures(model, batch['inputs'], orders, num_visible(h * w, model.mask_ratio), bands)]


def to_bytes(model: Any, images: Tensor, bands: Sequence[int] | None = None, of: Tensor | None = None) -> np.ndarray:
    """``(B, C, H, W)`` inputs of a model back to ``(B, H, W, 3)`` RGB bytes.

    Args:
        bands: the ones to show, stretched as they are in the images ``of``; None for 8-bit grey and RGB.
    """
    preprocessor = model.data_preprocessor
    pixels = images * getattr(preprocessor, 'std', 1.) + getattr(preprocessor, 'mean', 0.)
    if bands is None and pixels.shape[1] in (1, 3):
        return pixels.round().clamp(0, 255).byte().expand(-1, 3, -1, -1).permute(0, 2, 3, 1).cpu().numpy()
    shown = list(shown_bands(pixels.shape[1]) if bands is None else bands)
    pairs = zip(*(part[:, shown].permute(0, 2, 3, 1).cpu().numpy() for part in (images, images if of is None else of)),
                strict=True)  # normalised or not: a stretched picture is the same
    return np.stack([stretched(values, like) for values, like in pairs])
