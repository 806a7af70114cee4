"""Images as patches.

Letters in shapes: B batch, C channels, p side of a patch, h w grid of patches (L = h*w), n some of them.
A patch's values are in the order of facebookresearch/mae: row by row, the channels of a pixel side by side.
"""
import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import InputError
from .position import Grid


def tiled(height: int, width: int, patch_size: int) -> Grid:
    """The grid of patches that tile an image; ``ValueError`` if they do not."""
    p = patch_size
    if height % p or width % p or not height or not width:
        raise InputError(f'{height}x{width} image: not a multiple of the patch {p}; crop or pad it to '
                         f'{math.ceil(height / p) * p}x{math.ceil(width / p) * p}, e.g. by '
                         'data_preprocessor.test_cfg.size_divisor')
    return height // p, width // p


def fit_to_patches(images: Tensor, patch_size: int) -> Tensor:
    """``(B, C, H, W)`` resized, where patches do not tile them, to the nearest sides that they do."""
    size = [max(round(side / patch_size), 1) * patch_size for side in images.shape[2:]]
    if size == list(images.shape[2:]):
        return images
    return F.interpolate(images, size, mode='bilinear', antialias=True)


def patches_beyond(sizes: Sequence[tuple[int, int]], grid: Grid, patch_size: int, device: torch.device) -> Tensor:
    """``(B, h*w)``: True for the patches of a padded batch that hold nothing of their image.

    Args:
        sizes: ``(height, width)`` of each image in pixels.
    """
    tops, lefts = (torch.arange(count, device=device) * patch_size for count in grid)
    heights, widths = torch.tensor(sizes, device=device).T[..., None]  # each B 1
    return ((tops >= heights)[:, :, None] | (lefts >= widths)[:, None]).flatten(1)


def patchify(images: Tensor, patch_size: int) -> Tensor:
    """``(B, C, h*p, w*p)`` images to ``(B, L, p*p*C)`` patches, row by row."""
    p = patch_size
    pixels = images.unflatten(3, (-1, p)).unflatten(2, (-1, p))  # B C h p w p
    return pixels.permute(0, 2, 4, 3, 5, 1).flatten(3).flatten(1, 2)  # B h w p p C -> B L p*p*C


def unpatchify(patches: Tensor, patch_size: int, grid: Grid) -> Tensor:
    """The inverse of :func:`patchify`: ``(B, L, p*p*C)`` patches to ``(B, C, h*p, w*p)`` images."""
    p = patch_size
    pixels = patches.unflatten(2, (p, p, -1)).unflatten(1, grid)  # B h w p p C
    return pixels.permute(0, 5, 1, 3, 2, 4).flatten(4).flatten(2, 3)  # B C h p w p -> B C h*p w*p


def take_patches(images: Tensor, ids: Tensor, patch_size: int) -> Tensor:
    """``(B, n)`` patch ids to those patches alone, ``(B, n, p*p*C)``, without copying the others."""
    p = patch_size
    pixels = images.unflatten(3, (-1, p)).unflatten(2, (-1, p)).permute(0, 2, 4, 3, 5, 1)  # B h w p p C
    columns = pixels.shape[2]
    batch = torch.arange(len(ids), device=ids.device)[:, None]
    return pixels[batch, ids // columns, ids % columns].flatten(2)


def patch_statistics(patches: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each patch of ``(B, n, p*p*C)``, ``(B, n, 1)`` each.

    As in facebookresearch/mae: the variance is the unbiased one, and 1e-6 is added to it.
    """
    variance, mean = torch.var_mean(patches, dim=-1, keepdim=True)
    return mean, (variance + 1e-6).sqrt()


def neighbour_statistics(patches: Tensor, mask: Tensor, grid: Grid) -> tuple[Tensor, Tensor]:
    """:func:`patch_statistics` of ``(B, L, p*p*C)`` patches; of hidden ones, guessed from the visible ones.

    The guess is the mean of the visible patches' means and variances, weighted by a Gaussian of one patch's width in
    excess of the distance to the nearest.

    Args:
        mask: ``(B, L)``, True = hidden; each row has a visible patch.
    """
    mean, std = patch_statistics(patches)
    places = torch.stack(torch.meshgrid(*(torch.arange(side, device=mask.device) for side in grid), indexing='ij'), -1)
    distances = torch.cdist(places.flatten(0, 1).float(), places.flatten(0, 1).float()).square()  # L L
    logits = torch.where(mask[:, None], -torch.inf, -distances / 2)  # B L L: those of hidden patches are out
    weights = logits.softmax(dim=2).to(patches.dtype)
    hidden = mask[..., None]
    return (torch.where(hidden, weights @ mean, mean),
            torch.where(hidden, (weights @ std.square()).sqrt(), std))
