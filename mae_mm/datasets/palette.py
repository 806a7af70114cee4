"""Colours of classes that have none: fixed, and told apart with the usual kinds of colour blindness too."""
from functools import cache

import cv2
import numpy as np

# Okabe and Ito, Color Universal Design (2008), without black, which pictures keep for what is not a class.
OKABE_ITO = ((230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66), (0, 114, 178), (213, 94, 0),
             (204, 121, 167))
_GRID = np.linspace(0, 255, 8).round()  # candidates for more classes: 512 colours
# What a protanope and a deuteranope see, in linear RGB (Machado et al., 2009, severity 1).
_VISIONS = np.array([
    [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
    [[.152286, 1.052583, -.204868], [.114503, .786281, .099216], [-.003882, -.048116, 1.051998]],
    [[.367322, .860646, -.227968], [.280085, .672501, .047413], [-.011820, .042940, .968881]],
])


@cache
def default_palette(number: int) -> tuple[tuple[int, int, int], ...]:
    """So many different colours. A palette of more begins with those of a smaller one.

    The first are Okabe's and Ito's; each later one is the candidate whose nearest among those before, seen with
    normal, protanopic or deuteranopic eyes, is farthest.
    """
    candidates = np.stack(np.meshgrid(_GRID, _GRID, _GRID, indexing='ij'), -1).reshape(-1, 3)
    of_candidates = _seen(candidates)  # V 512 3
    chosen = [np.array(colour, dtype=float) for colour in OKABE_ITO]
    nearest = np.full(len(candidates), np.inf)
    taken = [np.zeros(3), *chosen]
    while True:
        for colour in taken:
            distances = np.linalg.norm(of_candidates - _seen(colour[None]), axis=-1).min(0)
            nearest = np.minimum(nearest, distances)
        if len(chosen) >= number:
            break
        taken = [candidates[nearest.argmax()]]
        chosen += taken
    return tuple((int(red), int(green), int(blue)) for red, green, blue in chosen[:number])


def _seen(colours: np.ndarray) -> np.ndarray:
    """CIELAB of ``(N, 3)`` bytes as each kind of eye sees them: ``(V, N, 3)``."""
    values = colours / 255
    linear = np.where(values <= .04045, values / 12.92, ((values + .055) / 1.055)**2.4)
    seen = (linear @ _VISIONS.transpose(0, 2, 1)).clip(0, 1)  # V N 3
    encoded = np.where(seen <= .0031308, seen * 12.92, 1.055 * seen**(1 / 2.4) - .055)
    return cv2.cvtColor(encoded.astype(np.float32), cv2.COLOR_RGB2LAB)
