"""Reconstructions as pictures."""
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from ..models import MaskedAutoencoder
from ..models.masking import order_of_sample
from ..models.patches import patchify, unpatchify
from ..visualization.reconstruction import HIDDEN_GREY, to_bytes
from .results import Reconstructed

NUMBERS = 2**32  # what a generator tells apart


def reconstructions(model: MaskedAutoencoder, inputs: Tensor, numbers: Sequence[int],
                    bands: Sequence[int] | None) -> list[Reconstructed]:
    """What a model makes of ``(B, C, H, W)`` inputs, under a mask that follows from the number of each.

    Args:
        bands: those that are shown of images other than RGB.
    """
    h, w = model.backbone.grid_of(*inputs.shape[2:])
    orders = torch.stack([order_of_sample(number % NUMBERS, h * w) for number in numbers])
    done = model.reconstruct(inputs, ids_shuffle=orders.to(inputs.device))
    patch = model.backbone.patch_size
    hidden = unpatchify(done.mask[..., None].expand_as(patchify(inputs, patch)), patch, (h, w))[:, 0]  # B H W
    image, filled = (to_bytes(model, pixels.float(), bands, inputs) for pixels in (inputs, done.images))
    visible = np.where(hidden.cpu().numpy()[..., None], np.uint8(HIDDEN_GREY), image)
    masks = done.mask.reshape(-1, h, w).cpu().numpy()
    return [Reconstructed(None, *parts) for parts in zip(image, visible, filled, masks, strict=True)]
