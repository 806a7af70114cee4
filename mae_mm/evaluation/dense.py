"""Labels of patches, and segmentations from frozen maps.

Letters in shapes: H W pixels, h w grid of patches, K classes.
"""
from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import InputError

IGNORED = 255


def patch_shares(labels: np.ndarray, grid: tuple[int, int], num_classes: int) -> np.ndarray:
    """``(h*w, K)`` float32: of the pixels of each patch, the shares of the classes; they sum to 1 but for the ignored.

    Args:
        labels: ``(H, W)``, of an image that the grid covers.
    """
    (height, width), (h, w) = labels.shape, grid
    rows, columns = np.arange(height) * h // height, np.arange(width) * w // width
    patch = rows[:, None] * w + columns  # H W, each pixel's
    pixels = np.bincount(patch.ravel(), minlength=h * w)
    valid = labels != IGNORED
    counts = np.bincount(patch[valid] * num_classes + labels[valid], minlength=h * w * num_classes)
    return (counts.reshape(h * w, num_classes) / np.maximum(pixels, 1)[:, None]).astype(np.float32)


def segmented(scores: Tensor, size: tuple[int, int]) -> np.ndarray:
    """``(H, W)`` classes of ``(K, h, w)`` scores, which are resized bilinearly, as mmseg's segmentors do."""
    return F.interpolate(scores[None], size=size, mode='bilinear', align_corners=False)[0].argmax(dim=0).numpy()


def areas(prediction: np.ndarray, labels: np.ndarray, num_classes: int) -> np.ndarray:
    """``(3, K)`` pixels that have a label: predicted right, predicted, labelled."""
    valid = labels != IGNORED
    prediction, labels = prediction[valid], labels[valid]
    return np.stack([np.bincount(of, minlength=num_classes) for of in
                     (labels[prediction == labels], prediction, labels)])


def mean_iou(counts: Iterable[np.ndarray]) -> float:
    """mIoU, from 0 to 1, of the :func:`areas` of all images together; a class that occurs nowhere is left out.

    Raises:
        ValueError: no pixel has a label.
    """
    total: Any = np.sum(list(counts), axis=0, dtype=np.float64)
    right, predicted, labelled = total
    if not labelled.any():
        raise InputError('no pixel of the test images has a class: their labels are all ignored')
    union = predicted + labelled - right
    return float((right[union > 0] / union[union > 0]).mean())


def soft_iou(shares: Tensor, predictions: Tensor) -> Tensor:
    """``(G,)`` mIoU of G predictions of patches by shares of their pixels.

    Args:
        shares: ``(N, K)``.
        predictions: ``(G, N)`` classes.
    """
    picked = F.one_hot(predictions, shares.shape[1]).to(shares)  # G N K
    right = (picked * shares).sum(dim=1)  # G K
    union = (picked * shares.sum(dim=1)[:, None]).sum(dim=1) + shares.sum(dim=0) - right
    return torch.where(union > 0, right / union.clamp_min(1e-12), torch.nan).nanmean(dim=1)
