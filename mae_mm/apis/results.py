"""What a model says of an image."""
from dataclasses import dataclass

import numpy as np


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
    """``(H, W, 3)`` RGB bytes: an image as the model sees it, its visible part, and what the model makes of it."""
    path: str | None
    image: np.ndarray
    visible: np.ndarray
    reconstruction: np.ndarray
    mask: np.ndarray  # (h, w) patches, True = hidden
