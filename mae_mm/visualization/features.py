"""Features of patches as colours."""
from collections.abc import Sequence

import cv2
import numpy as np
import torch
from torch import Tensor

COMPONENTS = 3
LEAST = 1e-9  # of the variance; a component with less is rounding and has no colour
STRETCH = (.02, .98)  # quantiles of a component that get the ends of its range


def pca_colours(maps: Sequence[Tensor]) -> tuple[list[np.ndarray], list[float]]:
    """Three principal components of the features of all patches of all images, as colours.

    The first is lightness, the second blue to yellow, the third green to red (CIELAB): the first two are told apart by
    the colour-blind. All images have the same basis and range; the sign of a component is that which makes its largest
    weight positive.

    Args:
        maps: ``(C, h, w)`` of each image.

    Returns:
        tuple: ``(h, w, 3)`` bytes of each image, and the share of the variance that each component has.
    """
    rows = torch.cat([part.flatten(1).T for part in maps]).double()  # patches of all, C
    mean = rows.mean(dim=0)
    variances, axes = torch.linalg.eigh((rows - mean).T @ (rows - mean))  # ascending
    tiny = torch.finfo(rows.dtype).tiny
    shares = (variances.clamp_min(0) / variances.clamp_min(0).sum().clamp_min(tiny)).flip(0)[:COMPONENTS]
    axes = axes.flip(1)[:, :COMPONENTS] * (shares > LEAST)  # C 3
    axes = axes * torch.take_along_dim(axes, axes.abs().argmax(dim=0, keepdim=True), dim=0).sign()
    values = (rows - mean) @ axes
    low, high = torch.from_numpy(np.quantile(values.numpy(), STRETCH, axis=0))
    middle, width = (low + high) / 2, (high - low).clamp_min(tiny)
    return [_lab((((part.flatten(1).T.double() - mean) @ axes - middle) / width).clamp(-.5, .5)
                 .unflatten(0, part.shape[1:]).numpy()) for part in maps], shares.tolist()


def _lab(components: np.ndarray) -> np.ndarray:
    """``(h, w, up to 3)`` of -0.5 to 0.5 to RGB bytes."""
    filled = np.zeros((*components.shape[:2], COMPONENTS), np.float32)
    filled[..., :components.shape[2]] = components
    lightness, yellow, red = np.moveaxis(filled, -1, 0)
    lab = np.stack([55 + 70 * lightness, 90 * red, 120 * yellow], axis=-1)
    return (cv2.cvtColor(lab, cv2.COLOR_LAB2RGB).clip(0, 1) * 255).round().astype(np.uint8)
