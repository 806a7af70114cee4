"""Objects of images from a mask head's predictions: instances, and panoptic maps.

Letters in shapes: Q queries, K classes, n objects that were found, h w a predicted mask's sides, H W an image's.
"""
from collections.abc import Collection
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor


class Instances(NamedTuple):
    """Objects, the surest first. They may overlap."""
    masks: Tensor  # n H W, booleans
    classes: Tensor  # n
    scores: Tensor  # n, from 0 to 1


class Panoptic(NamedTuple):
    """Each pixel's object, and what these are."""
    ids: Tensor  # H W, places in the other two; -1 for none
    classes: Tensor  # n
    scores: Tensor  # n, from 0 to 1


def instances(masks: Tensor, scores: Tensor, size: tuple[int, int], threshold: float = .8) -> Instances:
    """The objects whose score, the class's times the mean of the mask's within it, is the ``threshold`` or more.

    Args:
        masks: ``(Q, h, w)`` logits of one image.
        scores: ``(Q, K + 1)`` logits, the last for none.
        size: height and width of the image.
    """
    masks = _enlarged(masks, size)
    inside = masks > 0
    sure = (masks.sigmoid() * inside).sum((1, 2)) / inside.sum((1, 2)).clamp(min=1)
    shares, classes = scores.float().softmax(dim=1)[:, :-1].max(dim=1)
    found = shares * sure
    order = found.argsort(descending=True, stable=True)
    order = order[found[order] >= threshold]
    return Instances(inside[order], classes[order], found[order])


def panoptic(masks: Tensor, scores: Tensor, size: tuple[int, int], threshold: float = .8, visible: float = .8,
             stuff: Collection[int] = ()) -> Panoptic:
    """What each pixel belongs to: of the queries that are sure, the one whose class's and mask's share is largest.

    Args:
        threshold: what the share of a query's class exceeds.
        visible: the share of a mask, where it is one half or more, that must not belong to others.
        stuff: classes of which an image has one object at most, such as the sky.
    """
    shares, classes = scores.float().softmax(dim=1).max(dim=1)
    sure = (classes != scores.shape[1] - 1) & (shares > threshold)
    shares, classes = shares[sure], classes[sure]
    ids = torch.full(size, -1, device=masks.device)
    if not len(shares):
        return Panoptic(ids, classes, shares)
    within = _enlarged(masks[sure], size).sigmoid()
    owner = (shares[:, None, None] * within).argmax(dim=0)
    kept: list[int] = []
    for query, mask in enumerate(within >= .5):
        owned = owner == query
        if not (owned & mask).any() or not owned.sum() / mask.sum() > visible:
            continue
        label = classes[query].item()
        same = [place for place, other in enumerate(kept) if label in stuff and classes[other] == label]
        ids[owned & mask] = same[0] if same else len(kept)
        kept += [] if same else [query]
    return Panoptic(ids, classes[kept], shares[kept])


def _enlarged(masks: Tensor, size: tuple[int, int]) -> Tensor:
    return F.interpolate(masks[None].float(), size, mode='bilinear', align_corners=False)[0]
