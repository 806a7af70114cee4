"""Pictures of classifications."""
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from torch import Tensor

from .bands import read_rgb
from .segmentation import widened

WIDTH_PX, TALLEST_PX, LINE_PX = 256, 2048, 18


def captioned(image: np.ndarray, lines: Sequence[str]) -> np.ndarray:
    """An ``(H, W, 3)`` RGB image, scaled to one width (a very tall one to one height), with lines of text under it."""
    scale = min(WIDTH_PX / image.shape[1], TALLEST_PX / len(image))
    size = [max(1, round(side * scale)) for side in (image.shape[1], len(image))]
    picture = cv2.resize(image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_NEAREST)
    picture = widened(picture, WIDTH_PX)
    caption = np.full((LINE_PX * len(lines) + 6, WIDTH_PX, 3), 255, dtype=np.uint8)
    for i, line in enumerate(lines):
        text = line.encode('ascii', 'replace').decode()  # what the font has
        place = 4, LINE_PX * (i + 1) - 4
        cv2.putText(caption, text, place, cv2.FONT_HERSHEY_SIMPLEX, .42, (0, 0, 0), 1, cv2.LINE_AA)
    return np.concatenate([picture, caption])


def best_classes(score: Tensor, classes: Sequence[str], count: int = 3) -> list[tuple[str, float]]:
    """Names and probabilities of the likeliest of ``(classes,)``."""
    values, labels = score.topk(min(count, len(score)))
    return [(classes[label], value) for label, value in zip(labels.tolist(), values.tolist(), strict=True)]


def classification_picture(path: str, best: Sequence[tuple[str, float]], truth: str = '',
                           **options: Any) -> np.ndarray:
    """An image with what it is, if that is known, and what it was taken for; ``options`` of :func:`read_rgb`."""
    lines = [f'is {truth}'] if truth else []
    return captioned(read_rgb(path, **options), lines + [f'{100 * value:.1f} % {name}' for name, value in best])
