"""Fetch a small data set and write it as a folder of images, with a folder for each class.

    python tools/dataset_converters/image_folder.py cifar10 data/cifar10     # 60,000 images of 32 x 32
    python tools/dataset_converters/image_folder.py cifar100 data/cifar100
    python tools/dataset_converters/image_folder.py stl10 data/stl10         # 113,000 of 96 x 96, most unlabelled

OUT has train/CLASS/*.png and val/CLASS/*.png, and for STL-10 unlabeled/*.png. torchvision fetches the files into
OUT.download, once, and checks them.
"""
import argparse
import os
import shutil

import torchvision.datasets as sets
from mmengine.utils import track_iter_progress

# Name -> torchvision's class, and the arguments for each of our splits.
SOURCES = {
    'cifar10': (sets.CIFAR10, {'train': dict(train=True), 'val': dict(train=False)}),
    'cifar100': (sets.CIFAR100, {'train': dict(train=True), 'val': dict(train=False)}),
    'stl10': (sets.STL10, {'train': dict(split='train'), 'val': dict(split='test'),
                           'unlabeled': dict(split='unlabeled')}),
}


def write_split(dataset, folder: str) -> None:
    """Write ``(PIL image, class number)`` pairs; a class of -1 is none."""
    for i, (image, target) in enumerate(track_iter_progress(dataset)):
        directory = folder if target < 0 else os.path.join(folder, dataset.classes[target])
        os.makedirs(directory, exist_ok=True)
        image.save(os.path.join(directory, f'{i:06d}.png'), compress_level=1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('name', choices=tuple(SOURCES))
    parser.add_argument('out_dir', help='folder to make; one that is there already is kept as it is')
    args = parser.parse_args()
    out_dir = args.out_dir.rstrip(os.sep)
    if os.path.isdir(out_dir):
        print(f'{out_dir} is there already')
        return
    kind, splits = SOURCES[args.name]
    unfinished = f'{out_dir}.unfinished'
    shutil.rmtree(unfinished, ignore_errors=True)
    for split, options in splits.items():
        try:
            dataset = kind(f'{out_dir}.download', download=True, **options)
        except (OSError, RuntimeError) as error:
            raise SystemExit(f'error: {args.name} could not be fetched: {error}') from None
        print(f'{split}: {len(dataset)} images')
        write_split(dataset, os.path.join(unfinished, split))
    os.rename(unfinished, out_dir)
    print(f'written to {out_dir}')


if __name__ == '__main__':
    main()
