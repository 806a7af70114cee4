"""Pictures of reconstructions."""
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..models import MaskedAutoencoder
from ..models.masking import order_of_sample
from ..models.patches import patchify, unpatchify
from .bands import shown_bands, stretched
from .segmentation import side_by_side

HIDDEN_GREY = 128


def reconstruction_strips(model: MaskedAutoencoder, data_batch: dict[str, Any],
                          bands: Sequence[int] | None = None) -> list[np.ndarray]:
    """For each image of a batch: what is visible, what the model makes of it, and the image, side by side.

    Args:
        bands: those that are shown, stretched, of images other than 8-bit RGB (:func:`.bands.read_rgb`).

    Returns:
        list: ``(H, W, 3)`` RGB arrays of bytes.
    """
    batch = model.data_preprocessor(data_batch, False)
    images: Tensor = batch['inputs']
    h, w = model.backbone.grid_of(*images.shape[2:])
    orders = torch.stack([order_of_sample(sample.sample_idx, h * w) for sample in batch['data_samples']])
    done = model.reconstruct(images, ids_shuffle=orders.to(images.device))
    patch = model.backbone.patch_size
    hidden = unpatchify(done.mask[..., None].expand_as(patchify(images, patch)), patch, (h, w))  # B C H W
    rows = [to_bytes(model, pixels, bands, images) for pixels in (images, done.images, images)]
    rows[0][hidden[:, 0].cpu().numpy()] = HIDDEN_GREY
    return [side_by_side(pictures) for pictures in zip(*rows, strict=True)]


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
