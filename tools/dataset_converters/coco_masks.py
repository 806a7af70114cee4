"""Label maps of COCO instance annotations, for mae_mm.SegmentationFolder (docs/segmentation.md).

    python tools/dataset_converters/coco_masks.py instances.json SCENES     # then data_root=SCENES

SCENES holds images/, as the file names of the annotations have them. It gets labels/*.png, in which 0 is the
background, and classes.txt. Where instances overlap, the smaller one is in front; crowds are ignored (255).
pycocotools reads the file: pip install pycocotools.
"""
import argparse
import contextlib
import io
import os
import shutil

import numpy as np
from mmengine.utils import track_iter_progress
from PIL import Image

try:
    from pycocotools.coco import COCO
except ImportError:
    raise SystemExit('error: COCO annotations are read by pycocotools; pip install pycocotools') from None

IGNORED = 255


def label_map(coco: COCO, image: dict, numbers: dict[int, int]) -> np.ndarray:
    """``(height, width)`` bytes: the class of each pixel.

    Args:
        numbers: category id -> class.
    """
    labels = np.zeros((image['height'], image['width']), np.uint8)
    instances = coco.loadAnns(coco.getAnnIds(imgIds=image['id']))
    for instance in sorted(instances, key=lambda instance: (-instance['iscrowd'], -instance['area'])):
        labels[coco.annToMask(instance) > 0] = IGNORED if instance['iscrowd'] else numbers[instance['category_id']]
    return labels


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('annotations', help='a JSON file of COCO instances')
    parser.add_argument('folder', help='the folder that holds images/')
    args = parser.parse_args()
    target = os.path.join(args.folder, 'labels')
    if os.path.exists(target):
        raise SystemExit(f'error: {target} is there already; remove it to write it anew')
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            coco = COCO(args.annotations)
        categories = coco.loadCats(coco.getCatIds())
        numbers = {category['id']: number for number, category in enumerate(categories, 1)}
        if not 0 < len(numbers) < IGNORED:
            raise SystemExit(f'error: {args.annotations} has {len(numbers)} categories; label maps hold 1 to 254')
        unfinished = f'{target}.unfinished'
        shutil.rmtree(unfinished, ignore_errors=True)
        for image in track_iter_progress(list(coco.imgs.values())):
            name = os.path.normpath(os.path.splitext(image['file_name'])[0] + '.png')
            if os.path.isabs(name) or name.startswith('..'):
                raise SystemExit(f'error: {args.annotations} names {image["file_name"]}, which is outside '
                                 f'{args.folder}')
            path = os.path.join(unfinished, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            Image.fromarray(label_map(coco, image, numbers)).save(path)
        os.rename(unfinished, target)
    except (OSError, AssertionError, AttributeError, KeyError, TypeError, ValueError, IndexError) as error:
        raise SystemExit(f'error: {args.annotations} cannot be read as COCO instances: {error!r}') from None
    names = ['background', *(category['name'] for category in categories)]
    with open(os.path.join(args.folder, 'classes.txt'), 'w', encoding='utf-8') as file:
        file.write(''.join(f'{name}\n' for name in names))
    print(f'{len(coco.imgs)} label maps are in {target}, {len(names)} classes in {args.folder}/classes.txt')


if __name__ == '__main__':
    main()
