"""Bilinear interpolation as products with narrow matrices, one for each axis."""
import functools
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor


@functools.lru_cache(maxsize=64)
def interpolation_matrix(n_in: int, n_out: int, align_corners: bool, dtype: torch.dtype,
                         device: torch.device) -> Tensor:
    """``(n_out, n_in)``: what ``F.interpolate`` does along an axis; kept."""
    with torch.inference_mode(False), torch.no_grad():
        unit = torch.eye(n_in, dtype=torch.promote_types(dtype, torch.float32), device=device)
        matrix = F.interpolate(unit[None], n_out, mode='linear', align_corners=align_corners)[0].t()
        return matrix.to(dtype).contiguous()


def enlarge(maps: Tensor, size: Sequence[int], align_corners: bool) -> Tensor:
    """``(B, C, h, w)`` maps, bilinear, to ``(B, C, H, W)``.

    In training on an accelerator by two products: for 150 channels from 128 x 128 to 512 x 512, ``F.interpolate``'s
    backward pass, which adds one number at a time, takes a third of a whole step.
    """
    if maps.device.type == 'cpu' or not maps.requires_grad:
        return F.interpolate(maps, size, mode='bilinear', align_corners=align_corners)
    heighten, widen = (interpolation_matrix(n_in, n_out, align_corners, maps.dtype, maps.device)
                       for n_in, n_out in zip(maps.shape[2:], size, strict=True))
    return heighten @ (maps @ widen.t())
