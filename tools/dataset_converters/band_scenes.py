"""Scenes of five bands whose class shows in the fourth alone: a test of whether bands matter.

    python tools/dataset_converters/band_scenes.py OUT [--train 250] [--val 100] [--unlabelled 2000] [--seed 0]

OUT/bands has {train,val}/CLASS/*.tif, five bands of 16 bits (blue, green, red, near infrared, short-wave infrared),
and OUT/unlabelled/*.tif more of them. OUT/rgb has the colours of the same scenes as 8-bit PNG. All bands are clouds of
one brightness; over them the near infrared has a pattern: rows, columns, checks or rings, anywhere and of any width.
No band's mean or deviation tells the class.
"""
import argparse
from pathlib import Path

import cv2
import numpy as np
import tifffile

CLASSES = ('checks', 'columns', 'rings', 'rows')
SIDE_PX = 48
INFRARED = 3
CONTRAST = 2.  # of the pattern, in deviations of the clouds


def pattern(name: str, rng: np.random.Generator) -> np.ndarray:
    """``(SIDE, SIDE)`` of deviation 1: a wave of 10 to 16 pixels, of any phase."""
    y, x = np.mgrid[:SIDE_PX, :SIDE_PX] - rng.uniform(0, SIDE_PX, (2, 1, 1))
    wave = 2 * np.pi / rng.uniform(10, 16)
    values = {'rows': np.sin(wave * y), 'columns': np.sin(wave * x), 'checks': np.sin(wave * y) * np.sin(wave * x),
              'rings': np.sin(wave * np.hypot(y, x))}[name]
    return (values - values.mean()) / values.std()


def clouds(rng: np.random.Generator) -> np.ndarray:
    """``(SIDE, SIDE, 5)`` of mean 0 and deviation 1: smooth noise that the bands share in part, noise of pixels."""
    fields = np.stack([cv2.GaussianBlur(rng.normal(size=(SIDE_PX, SIDE_PX)), (0, 0), 8) for _ in range(6)], axis=-1)
    shared = fields[..., 5:] + fields[..., :5]
    noise = shared / shared.std(axis=(0, 1)) + .3 * rng.normal(size=(SIDE_PX, SIDE_PX, 5))
    return (noise - noise.mean(axis=(0, 1))) / noise.std(axis=(0, 1))


def scene(name: str, rng: np.random.Generator) -> np.ndarray:
    """``(SIDE, SIDE, 5)`` uint16."""
    image = clouds(rng)
    image[..., INFRARED] += CONTRAST * pattern(name, rng)
    image[..., INFRARED] /= image[..., INFRARED].std()
    return (3000 + 600 * image).clip(0, 65535).astype(np.uint16)


def write(path: Path, image: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    tifffile.imwrite(path, image, photometric='minisblack', planarconfig='contig')


def main() -> None:
    parser = argparse.ArgumentParser(description='Scenes of five bands whose class shows in the fourth alone')
    parser.add_argument('out', type=Path)
    parser.add_argument('--train', type=int, default=250, help='of each class')
    parser.add_argument('--val', type=int, default=100, help='of each class')
    parser.add_argument('--unlabelled', type=int, default=2000)
    parser.add_argument('--seed', type=int, default=0)
    args = parser.parse_args()
    rng = np.random.default_rng(args.seed)
    for split, count in (('train', args.train), ('val', args.val)):
        for name in CLASSES:
            for i in range(count):
                image = scene(name, rng)
                write(args.out / 'bands' / split / name / f'{i:04d}.tif', image)
                picture = args.out / 'rgb' / split / name / f'{i:04d}.png'
                picture.parent.mkdir(parents=True, exist_ok=True)
                cv2.imwrite(str(picture), (image[..., :3] / 6000 * 255).clip(0, 255).astype(np.uint8))  # BGR
    for i in range(args.unlabelled):
        write(args.out / 'unlabelled' / f'{i:04d}.tif', scene(CLASSES[i % len(CLASSES)], rng))


if __name__ == '__main__':
    main()
