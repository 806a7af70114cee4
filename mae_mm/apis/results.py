"""What a model says of an image."""
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor


@dataclass
class Prediction:
    """What a model says of an image; ``None`` where it says nothing of the kind.

    ``scores`` are the probabilities of all classes, ``(classes,)``, of a classifier; ``label_map`` the class of each
    pixel, ``(H, W)``, and ``probabilities`` ``(classes, H, W)``, of a segmentor.
    """
    path: str | None
    label: int | None = None
    name: str | None = None
    score: float | None = None
    scores: np.ndarray | None = None
    label_map: np.ndarray | None = None
    probabilities: np.ndarray | None = None


@dataclass
class Reconstructed:
    """``(H, W, 3)`` RGB bytes of an image as the model sees it.

    ``visible`` is its visible part, ``reconstruction`` that with the hidden rest as the model makes it, ``predicted``
    what the model makes of all patches, ``image`` all of it.
    """
    path: str | None
    visible: np.ndarray
    reconstruction: np.ndarray
    image: np.ndarray
    mask: np.ndarray  # (h, w) patches, True = hidden
    predicted: np.ndarray


def of_kind(kind: str, maps: Tensor, token: Tensor) -> Tensor:
    """Of ``(B, C, h, w)`` maps and ``(B, C)`` class tokens what ``Model.features`` calls so."""
    if kind == 'tokens':
        return torch.cat([token[:, None], maps.flatten(2).transpose(1, 2)], dim=1)
    return {'pooled': maps.mean(dim=(2, 3)), 'cls_token': token, 'maps': maps}[kind]


def stacked(rows: Sequence[Tensor], as_numpy: bool) -> Any:
    """One array of all rows, or a list of them if their shapes differ."""
    if len({row.shape for row in rows}) > 1:
        return [row.numpy() for row in rows] if as_numpy else list(rows)
    array = torch.stack(list(rows))
    return array.numpy() if as_numpy else array
