"""Pictures of segmentations. Images are ``(H, W, 3)`` RGB arrays of bytes, label maps ``(H, W)``."""
import io
from collections.abc import Mapping, Sequence

import cv2
import numpy as np
from PIL import Image

from ..checkpoint.writing import AtomicBackend

GAP_PX = 4  # white, between the pictures of a strip or a sheet
LEGEND_PX, ROW_PX = 200, 18  # width of an entry of a legend, and its height
TALLEST_PX = 2048  # that a picture is enlarged to


def write_rgb(image: np.ndarray, path: str) -> None:
    """Write a picture as PNG, whole or not at all, and make its folder."""
    AtomicBackend().put(cv2.imencode('.png', image[..., ::-1])[1].tobytes(), path)


def widened(picture: np.ndarray, width_px: int) -> np.ndarray:
    """A picture that is narrower than so much, on white."""
    if picture.shape[1] >= width_px:
        return picture
    canvas = np.full((len(picture), width_px, 3), 255, dtype=np.uint8)
    canvas[:, :picture.shape[1]] = picture
    return canvas


def overlay(image: np.ndarray, labels: np.ndarray, palette: np.ndarray, opacity: float = 0.5) -> np.ndarray:
    """Labels in their colours over the image; no class (beyond the palette) is black."""
    colours = np.zeros((max(len(palette), 255) + 1, 3), dtype=np.float32)
    colours[:len(palette)] = palette
    return (opacity * colours[labels] + (1 - opacity) * image).astype(np.uint8)


def with_legend(picture: np.ndarray, shares: Mapping[str, float], colours: Mapping[str, Sequence[int]]) -> np.ndarray:
    """A picture, enlarged to be read if it is small, with the classes that occur in it under it, largest first."""
    scale = max(1, min(-(-LEGEND_PX // picture.shape[1]), TALLEST_PX // len(picture)))
    picture = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_NEAREST) if scale > 1 else picture
    picture = widened(picture, LEGEND_PX)
    found = sorted((name for name, share in shares.items() if share > 0), key=lambda name: -shares[name])
    columns = max(1, picture.shape[1] // LEGEND_PX)
    rows = -(-len(found) // columns)
    legend = np.full((rows * ROW_PX + 8, picture.shape[1], 3), 255, dtype=np.uint8)
    for i, name in enumerate(found):
        y, x = i // columns * ROW_PX + 6, i % columns * LEGEND_PX + 6
        cv2.rectangle(legend, (x, y), (x + 12, y + 12), [int(value) for value in colours[name]], cv2.FILLED)
        cv2.rectangle(legend, (x, y), (x + 12, y + 12), (0, 0, 0), 1)
        text = f'{100 * shares[name]:.1f} % {name}'.encode('ascii', 'replace').decode()  # what the font has
        cv2.putText(legend, text, (x + 18, y + 11), cv2.FONT_HERSHEY_SIMPLEX, .42, (0, 0, 0), 1, cv2.LINE_AA)
    return np.concatenate([picture, legend])


def paint(labels: np.ndarray, palette: np.ndarray, image: np.ndarray) -> np.ndarray:
    """Labels in their colours, half and half with the image; no class (255) is black."""
    return overlay(image, labels, palette)


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


def label_png(label_map: np.ndarray, palette: np.ndarray) -> bytes:
    """A PNG of class indices: of 8 bits with the classes' colours, or of 16 bits for more than 256 classes."""
    buffer = io.BytesIO()
    if len(palette) > 256:
        Image.fromarray(label_map.astype(np.uint16)).save(buffer, 'PNG')
    else:
        picture = Image.fromarray(label_map.astype(np.uint8), mode='P')
        picture.putpalette(palette.astype(np.uint8).tobytes())
        picture.save(buffer, 'PNG')
    return buffer.getvalue()
