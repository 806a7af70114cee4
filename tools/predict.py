"""Classify or segment images and draw what comes out.

    python tools/predict.py CONFIG CHECKPOINT IMAGE_OR_FOLDER ... [--out DIR] [--topk 3] [--cfg-options ...]

Pictures go to OUT under the images' own names; a classifier also prints a line for each image.
"""
import argparse
import os
import sys
from collections.abc import Sequence

try:
    from mae_mm.engine.cli import add_common_options, run_tool
    from mae_mm.engine.config import read_config
    from mae_mm.engine.hardware import fit_to_hardware
    from mae_mm.engine.inference import Predictor, images_in
    from mae_mm.engine.pictures import best_classes, classification_picture
    from mae_mm.engine.progress import progress_of
    from mae_mm.errors import InputError
    from mae_mm.visualization import read_rgb, segmentation_strip, write_rgb
except ImportError as error:
    raise SystemExit(f'error: {error}') from None

from mmengine.logging import MMLogger


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
    predictor = Predictor(cfg, args.checkpoint)
    with progress_of(len(images)) as progress:
        for path, name in images:
            sample = predictor([path])[0]
            if 'pred_score' in sample:
                best = best_classes(sample.pred_score.cpu(), predictor.classes, args.topk)
                print('\t'.join([path, *(f'{class_name} {value:.4f}' for class_name, value in best)]))
                picture = classification_picture(path, best)
            elif predictor.palette is not None:
                labels = sample.pred_sem_seg.data.squeeze().cpu().numpy()
                picture = segmentation_strip(read_rgb(path), labels, None, predictor.palette)
            else:
                raise InputError(f'{args.config} has no palette, which segmentations are drawn with; --cfg-options '
                                 'test_dataloader.dataset.metainfo.palette=...')
            write_rgb(picture, os.path.join(out_dir, f'{os.path.splitext(name)[0]}.png'))
            progress.update()
    print(f'{len(images)} pictures are in {out_dir}', file=sys.stderr)


if __name__ == '__main__':
    run_tool(main)
