"""Classify or segment images and draw what comes out.

    python tools/predict.py CONFIG CHECKPOINT IMAGE_OR_FOLDER ... [--out DIR] [--topk 3] [--cfg-options ...]

Pictures go to OUT under the images' own names; a classifier also prints a line for each image.
"""
import argparse
import os
import sys
from collections.abc import Sequence

from mmengine.logging import MMLogger

from ..apis.inference import Predictor, images_in
from ..config.hardware import fit_to_hardware
from ..config.reading import read_config
from ..errors import InputError
from ..progress import progress_of
from ..visualization import best_classes, classification_picture, picture_options, read_rgb
from ..visualization.segmentation import segmentation_strip, write_rgb
from .common import add_common_options


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description='Classify or segment images')
    add_common_options(parser)
    parser.add_argument('checkpoint', help='a checkpoint file or URL')
    parser.add_argument('images', nargs='+', metavar='IMAGE_OR_FOLDER')
    parser.add_argument('--out', metavar='DIR', help='where pictures go; default: WORK_DIR/predictions')
    parser.add_argument('--topk', type=int, default=3, help='classes that are told of an image')
    args = parser.parse_args(argv)

    MMLogger.get_instance('predict', log_level='WARNING')
    cfg = read_config(args.config, args.cfg_options, args.work_dir)
    fit_to_hardware(cfg, 'none')
    out_dir = args.out or os.path.join(cfg.work_dir, 'predictions')
    images = list(images_in(args.images))
    options = picture_options(cfg)
    predictor = Predictor(cfg, args.checkpoint)
    with progress_of(len(images)) as progress:
        for path, name in images:
            sample = predictor([path])[0]
            if 'pred_score' in sample:
                best = best_classes(sample.pred_score.cpu(), predictor.classes, args.topk)
                print('\t'.join([path, *(f'{class_name} {value:.4f}' for class_name, value in best)]))
                picture = classification_picture(path, best, **options)
            elif predictor.palette is not None:
                labels = sample.pred_sem_seg.data.squeeze().cpu().numpy()
                picture = segmentation_strip(read_rgb(path, **options), labels, None, predictor.palette)
            else:
                raise InputError(f'{args.config} has no palette, which segmentations are drawn with; --cfg-options '
                                 'test_dataloader.dataset.metainfo.palette=...')
            write_rgb(picture, os.path.join(out_dir, f'{os.path.splitext(name)[0]}.png'))
            progress.update()
    print(f'{len(images)} pictures are in {out_dir}', file=sys.stderr)
