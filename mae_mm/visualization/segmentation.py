"""Pictures of segmentations. Images are ``(H, W, 3)`` RGB arrays of bytes, label maps ``(H, W)``."""
from collections.abc import Sequence

import cv2
import mmcv
import numpy as np

GAP_PX = 4  # white, between the pictures of a strip or a sheet


def write_rgb(image: np.ndarray, path: str) -> None:
    mmcv.imwrite(image[..., ::-1], path)  # makes the folder


def paint(labels: np.ndarray, palette: np.ndarray, image: np.ndarray) -> np.ndarray:
    """Labels in their colours, half and half with the image; no class (255) is black."""
    colours = np.zeros((256, 3), dtype=np.uint8)
    colours[:len(palette)] = palette
    return ((colours[labels].astype(np.uint16) + image) // 2).astype(np.uint8)


def segmentation_strip(image: np.ndarray, prediction: np.ndarray, truth: np.ndarray | None,
                       palette: np.ndarray) -> np.ndarray:
    """Image, truth (if there is one) and prediction, side by side."""
    pictures = [image] if truth is None else [image, paint(truth, palette, image)]
    return side_by_side([*pictures, paint(prediction, palette, image)])


def side_by_side(pictures: Sequence[np.ndarray]) -> np.ndarray:
    """Pictures of one height in a row, with white gaps."""
    gap = np.full((len(pictures[0]), GAP_PX, 3), 255, dtype=np.uint8)
    row = [part for picture in pictures for part in (picture, gap)]
    return np.concatenate(row[:-1], axis=1)


def contact_sheet(strips: Sequence[np.ndarray], columns: int = 2, width_px: int = 480) -> np.ndarray:
    """Strips in rows of ``columns``, each scaled to ``width_px``."""
    cells = [cv2.resize(strip, (width_px, max(1, round(len(strip) * width_px / strip.shape[1]))),
                        interpolation=cv2.INTER_AREA if strip.shape[1] > width_px else cv2.INTER_LINEAR)
             for strip in strips]
    height = max(len(cell) for cell in cells) + GAP_PX
    sheet = np.full((-(-len(cells) // columns) * height, columns * (width_px + GAP_PX), 3), 255, dtype=np.uint8)
    for i, cell in enumerate(cells):
        y, x = i // columns * height, i % columns * (width_px + GAP_PX)
        sheet[y:y + len(cell), x:x + width_px] = cell
    return sheet
