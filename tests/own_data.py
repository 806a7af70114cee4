"""Data of one's own, as a user has them: photographs in class folders, scenes with masks; RGB, and five bands."""
from pathlib import Path

import cv2
import numpy as np
import tifffile
from skimage import data

CLASSES = ('astronaut', 'chelsea', 'coffee')
SHAPES = ('background', 'square', 'disc')


def crops(count: int, side_px: int, seed: int = 0) -> list[tuple[str, np.ndarray]]:
    """``(name of the photograph, (side, side + 16, 3) RGB crop)``, so many of each of three photographs."""
    rng = np.random.default_rng(seed)
    found = []
    for name in CLASSES:
        photo = getattr(data, name)()
        for _ in range(count):
            y, x = rng.integers(photo.shape[0] - side_px), rng.integers(photo.shape[1] - side_px - 16)
            found.append((name, np.ascontiguousarray(photo[y:y + side_px, x:x + side_px + 16])))
    return found


def bands(rgb: np.ndarray) -> np.ndarray:
    """Five bands of 16 bits, ``(H, W, 5)``: the three colours, and two that follow from them."""
    infrared = rgb.astype(np.float32) @ np.array([.2, .3, .5], np.float32)
    return np.dstack([rgb, infrared, 255 - infrared]).astype(np.uint16) * 40


def write(path: Path, rgb: np.ndarray, multispectral: bool) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if multispectral:
        tifffile.imwrite(path.with_suffix('.tif'), bands(rgb), photometric='minisblack', planarconfig='contig')
    else:
        cv2.imwrite(str(path.with_suffix('.jpg')), rgb[..., ::-1])


def class_folders(root: Path, count: int = 12, side_px: int = 64, multispectral: bool = False) -> None:
    """``root/CLASS/*``: so many photographs of each of three classes."""
    for i, (name, rgb) in enumerate(crops(count, side_px)):
        write(root / name / f'{i:02d}', rgb, multispectral)


def scenes(root: Path, count: int = 4, side_px: int = 64, multispectral: bool = False) -> None:
    """``root/images/*``, ``root/labels/*.png`` and ``root/classes.txt``: three times so many, with two shapes."""
    rng = np.random.default_rng(1)
    (root / 'labels').mkdir(parents=True)
    for i, (_, rgb) in enumerate(crops(count, side_px, seed=1)):
        label = np.zeros(rgb.shape[:2], np.uint8)
        for value in (1, 2):
            y, x = rng.integers(8, side_px - 24, 2)
            shape = np.zeros_like(label)
            if value == 1:
                shape[y:y + 20, x:x + 20] = 1
            else:
                cv2.circle(shape, (int(x + 10), int(y + 10)), 10, 1, -1)
            label[shape > 0] = value
            rgb[shape > 0] = (250, 40, 40) if value == 1 else (40, 40, 250)
        write(root / 'images' / f'{i:02d}', rgb, multispectral)
        cv2.imwrite(str(root / 'labels' / f'{i:02d}.png'), label)
    (root / 'classes.txt').write_text('background 0 0 0\nsquare 250 40 40\ndisc 40 40 250\n')
