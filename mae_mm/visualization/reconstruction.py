"""Pictures of reconstructions."""
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..models import MaskedAutoencoder
from ..models.masking import order_of_sample
from ..models.patches import patchify, unpatchify
from .segmentation import side_by_side

HIDDEN_GREY = 128


def reconstruction_strips(model: MaskedAutoencoder, data_batch: dict[str, Any]) -> list[np.ndarray]:
    """For each image of a batch: what is visible, what the model makes of it, and the image, side by side.

    Returns:
        list: ``(H, W, 3)`` RGB arrays of bytes; images of one channel, or of more than three, are grey.
    """
    batch = model.data_preprocessor(data_batch, False)
    images: Tensor = batch['inputs']
    h, w = model.backbone.grid_of(*images.shape[2:])
    orders = torch.stack([order_of_sample(sample.sample_idx, h * w) for sample in batch['data_samples']])
    done = model.reconstruct(images, ids_shuffle=orders.to(images.device))
    patch = model.backbone.patch_size
    hidden = unpatchify(done.mask[..., None].expand_as(patchify(images, patch)), patch, (h, w))  # B C H W
    rows = [to_bytes(model, pixels) for pixels in (images, done.images, images)]
    rows[0][hidden[:, 0].cpu().numpy()] = HIDDEN_GREY
    return [side_by_side(pictures) for pictures in zip(*rows, strict=True)]


def to_bytes(model: MaskedAutoencoder, images: Tensor) -> np.ndarray:
    """``(B, C, H, W)`` inputs of a model back to ``(B, H, W, 3)`` RGB bytes."""
    preprocessor = model.data_preprocessor
    pixels = images * getattr(preprocessor, 'std', 1.) + getattr(preprocessor, 'mean', 0.)
    if pixels.shape[1] != 3:
        pixels = pixels.mean(dim=1, keepdim=True).expand(-1, 3, -1, -1)
    return pixels.round().clamp(0, 255).byte().permute(0, 2, 3, 1).cpu().numpy()
