"""Make a small segmentation data set out of what two packages ship: digits before photographs.

scikit-learn's 1,797 handwritten digits (8 x 8 pixels) are pasted, at random places, sizes and colours, on random
crops of scikit-image's photographs, dark and out of focus: an autoencoder of this size and budget learns the
texture of sharp ones and not the digits. Classes are 0 for the background and 1 to 10 for the digits 0 to 9. Training
and validation share neither a digit nor a photograph. The layout is ADE20K's:

    OUT/{images,annotations}/{training,validation}/*.{jpg,png}

    python tools/dataset_converters/digit_scenes.py data/digit_scenes
"""
import argparse
import os
import shutil

import cv2
import numpy as np

# Colour photographs, and pictures from microscope and telescope, that come inside scikit-image's wheel.
PHOTOGRAPHS = {
    'training': ['astronaut', 'coffee', 'hubble_deep_field', 'immunohistochemistry', 'rocket'],
    'validation': ['chelsea', 'retina'],
}
BLUR = 3 / 64  # deviation of the Gaussian, in sides of a scene
BRIGHTNESS = .4


def photographs(split: str) -> list[np.ndarray]:
    from skimage import data
    return [np.ascontiguousarray(getattr(data, name)()[..., :3]) for name in PHOTOGRAPHS[split]]


def background(photos: list[np.ndarray], side_px: int, rng: np.random.Generator) -> np.ndarray:
    """A square crop of one to three times the side of a photograph, scaled to the side, blurred and darkened."""
    photo = photos[rng.integers(len(photos))]
    crop = min(int(side_px * rng.uniform(1, 3)), *photo.shape[:2])
    y, x = (rng.integers(size - crop + 1) for size in photo.shape[:2])
    scaled = cv2.resize(photo[y:y + crop, x:x + crop], (side_px, side_px), interpolation=cv2.INTER_AREA)
    return (cv2.GaussianBlur(scaled, (0, 0), BLUR * side_px) * BRIGHTNESS).astype(np.uint8)


def paste(image: np.ndarray, labels: np.ndarray, digit: np.ndarray, label: int, rng: np.random.Generator) -> None:
    """Draw a digit (8 x 8 values from 0 to 16) in one bright colour, in place."""
    size = int(rng.uniform(.5, .8) * len(image))
    stroke = cv2.resize(digit.astype(np.float32) / 16, (size, size), interpolation=cv2.INTER_CUBIC).clip(0, 1)
    y, x = rng.integers(len(image) - size + 1, size=2)
    colour = rng.uniform(150, 255, 3)
    region = image[y:y + size, x:x + size]
    region[:] = region * (1 - stroke[..., None]) + colour * stroke[..., None]
    labels[y:y + size, x:x + size][stroke > .5] = label


def make_scene(photos: list[np.ndarray], digits: np.ndarray, targets: np.ndarray, side_px: int,
               rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A scene of one digit: ``(H, W, 3)`` RGB and ``(H, W)`` labels."""
    image = background(photos, side_px, rng)
    labels = np.zeros((side_px, side_px), dtype=np.uint8)
    i = rng.integers(len(digits))
    paste(image, labels, digits[i], int(targets[i]) + 1, rng)
    return image, labels


def write_split(out_dir: str, split: str, count: int, side_px: int, seed: int) -> None:
    from sklearn.datasets import load_digits
    rng = np.random.default_rng([seed, split == 'validation'])
    digits, targets = load_digits(return_X_y=True)
    own = np.arange(len(digits)) % 5 == 4 if split == 'validation' else np.arange(len(digits)) % 5 < 4
    digits, targets, photos = digits[own].reshape(-1, 8, 8), targets[own], photographs(split)
    for kind in ('images', 'annotations'):
        os.makedirs(os.path.join(out_dir, kind, split))
    for i in range(count):
        image, labels = make_scene(photos, digits, targets, side_px, rng)
        name = f'{split}_{i:05d}'
        cv2.imwrite(os.path.join(out_dir, 'images', split, f'{name}.jpg'), image[..., ::-1],
                    [cv2.IMWRITE_JPEG_QUALITY, 95])
        cv2.imwrite(os.path.join(out_dir, 'annotations', split, f'{name}.png'), labels)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('out_dir', help='folder to make; one that is there already is kept as it is')
    parser.add_argument('--training', type=int, default=4000, help='number of training scenes')
    parser.add_argument('--validation', type=int, default=200, help='number of validation scenes')
    parser.add_argument('--side', type=int, default=64, help='side of a scene in pixels')
    parser.add_argument('--seed', type=int, default=0)
    args = parser.parse_args()
    if os.path.isdir(args.out_dir):
        print(f'{args.out_dir} is there already')
        return
    unfinished = f'{args.out_dir.rstrip(os.sep)}.unfinished'
    shutil.rmtree(unfinished, ignore_errors=True)
    for split, count in (('training', args.training), ('validation', args.validation)):
        print(f'{split}: {count} scenes of {args.side} x {args.side}')
        write_split(unfinished, split, count, args.side, args.seed)
    os.rename(unfinished, args.out_dir)
    print(f'written to {args.out_dir}')


if __name__ == '__main__':
    main()
