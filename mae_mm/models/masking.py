"""Which patches an image shows and which it hides.

Letters in shapes: B batch, L patches of an image. Masks are kept as ids: an order of all patches of an image,
``ids_shuffle``, whose first ``num_keep`` are visible. In boolean masks True is hidden.
"""
import torch
from torch import Tensor

from ..errors import InputError


def num_visible(num_patches: int, mask_ratio: float) -> int:
    """How many patches stay visible: the official count, rounded down.

    Raises:
        ValueError: the ratio would hide all of them, or none.
    """
    num_keep = int(num_patches * (1 - mask_ratio))
    if not 0 < num_keep < num_patches:
        raise InputError(f'mask_ratio={mask_ratio} leaves {num_keep} of {num_patches} patches visible; at least one '
                         'must be visible and one hidden')
    return num_keep


def draw_order(batch_size: int, num_patches: int, device: torch.device) -> Tensor:
    """``(B, L)`` random orders of the patches, one for each image, from PyTorch's generator of the device."""
    return torch.rand(batch_size, num_patches, device=device).argsort(dim=1)


def order_of_sample(sample_id: int, num_patches: int) -> Tensor:
    """``(L,)``: one order that depends on the number of the sample alone, to measure every model by the same masks."""
    return torch.randperm(num_patches, generator=torch.Generator().manual_seed(sample_id))


def hidden_mask(ids_shuffle: Tensor, num_keep: int) -> Tensor:
    """``(B, L)`` booleans in patch order, True where a patch is hidden."""
    return ids_shuffle.argsort(dim=1) >= num_keep
