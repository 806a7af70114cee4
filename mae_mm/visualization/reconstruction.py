"""Pictures of reconstructions."""
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..models import MaskedAutoencoder
from ..models.masking import order_of_sample
from ..models.patches import patchify, unpatchify
from .bands import shown_bands, stretched
from .segmentation import side_by_side

HIDDEN_GREY = 128


class Pictures(NamedTuple):
    """``(H, W, 3)`` RGB bytes of an image: what is visible of it, what a model makes of that, and the image itself."""
    visible: np.ndarray
    reconstruction: np.ndarray
    image: np.ndarray
    mask: np.ndarray  # (h, w) patches, True = hidden


def reconstruction_pictures(model: MaskedAutoencoder, images: Tensor, numbers: Sequence[int],
                            bands: Sequence[int] | None = None) -> list[Pictures]:
    """What a model makes of ``(B, C, H, W)`` inputs, under a mask that follows from the number of each.

    Args:
        bands: those that are shown, stretched, of images other than 8-bit RGB (:func:`.bands.read_rgb`).
    """
    h, w = model.backbone.grid_of(*images.shape[2:])
    orders = torch.stack([order_of_sample(number, (h, w), model.mask_block) for number in numbers])
    done = model.reconstruct(images, ids_shuffle=orders.to(images.device))
    patch = model.backbone.patch_size
    hidden = unpatchify(done.mask[..., None].expand_as(patchify(images, patch)), patch, (h, w))[:, 0]  # B H W
    shown, filled = (to_bytes(model, pixels.float(), bands, images) for pixels in (images, done.images))
    visible = np.where(hidden.cpu().numpy()[..., None], np.uint8(HIDDEN_GREY), shown)
    return list(map(Pictures, visible, filled, shown, done.mask.reshape(-1, h, w).cpu().numpy()))


def reconstruction_strips(model: MaskedAutoencoder, data_batch: dict[str, Any],
                          bands: Sequence[int] | None = None) -> list[np.ndarray]:
    """For each image of a batch its :class:`Pictures`, side by side."""
    batch = model.data_preprocessor(data_batch, False)
    numbers = [sample.sample_idx for sample in batch['data_samples']]
    return [side_by_side(pictures[:3]) for pictures in
            reconstruction_pictures(model, batch['inputs'], numbers, bands)]


def to_bytes(model: MaskedAutoencoder, images: Tensor, bands: Sequence[int] | None = None,
             of: Tensor | None = None) -> np.ndarray:
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
