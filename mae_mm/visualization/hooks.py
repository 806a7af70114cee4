"""Hooks that draw: segmentations, classes and reconstructions of a test, reconstructions during pre-training."""
import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from mmengine.dataset import pseudo_collate
from mmengine.dist import master_only
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper

from ..registry import HOOKS
from .bands import picture_options, read_rgb
from .classification import best_classes, classification_picture
from .reconstruction import reconstruction_strips
from .segmentation import contact_sheet, segmentation_strip, write_rgb


def _write(strip: np.ndarray, out_dir: str, image_path: str, folder: str = '') -> None:
    name = os.path.splitext(os.path.basename(image_path))[0]
    write_rgb(strip, os.path.join(out_dir, folder, f'{name}.png'))


def _bare(model: Any) -> Any:
    return model.module if is_model_wrapper(model) else model


@HOOKS.register_module()
class SavePicturesHook(Hook):
    """Writes a strip of every test image into a folder, under its name.

    A segmentor's shows image, truth and prediction; a masked autoencoder's what is visible, what it makes of it, and
    the image; a classifier's the image, its class and the likeliest ones, in a folder for each class.
    """

    def __init__(self, out_dir: str):
        self.out_dir = out_dir

    def after_test_iter(self, runner: Any, batch_idx: int, data_batch: Any = None,
                        outputs: Sequence | None = None) -> None:
        options = picture_options(runner.cfg)
        if hasattr(_bare(runner.model), 'reconstruct'):
            strips = reconstruction_strips(_bare(runner.model), data_batch, options['bands'])
            for strip, sample in zip(strips, data_batch['data_samples'], strict=True):
                _write(strip, self.out_dir, sample.img_path)
            return
        metainfo = runner.test_loop.dataloader.dataset.metainfo
        if outputs and 'pred_score' in outputs[0]:
            for sample in outputs:
                best = best_classes(sample.pred_score.cpu(), metainfo['classes'])
                truth = metainfo['classes'][int(sample.gt_label)]
                _write(classification_picture(sample.img_path, best, truth, **options), self.out_dir, sample.img_path,
                       os.path.basename(os.path.dirname(sample.img_path)))
            return
        palette = np.array(metainfo['palette'], dtype=np.uint8)
        for sample in outputs or ():
            truth = sample.gt_sem_seg.data[0].cpu().numpy() if 'gt_sem_seg' in sample else None
            prediction = sample.pred_sem_seg.data.squeeze().cpu().numpy()
            image = read_rgb(sample.img_path, **options)
            _write(segmentation_strip(image, prediction, truth, palette), self.out_dir, sample.img_path)


@HOOKS.register_module()
class ReconstructionHook(Hook):
    """Draws reconstructions of the first held-out images after each validation, for all ``vis_backends``.

    The masks are the same each time, so that pictures of different epochs can be compared.
    """

    def __init__(self, num_images: int = 8):
        self.num_images = num_images

    @master_only
    def after_val_epoch(self, runner: Any, metrics: dict[str, float] | None = None) -> None:
        dataset = runner.val_dataloader.dataset
        samples = [dataset[i] for i in range(min(self.num_images, len(dataset)))]
        strips = reconstruction_strips(_bare(runner.model), pseudo_collate(samples), runner.cfg.get('picture_bands'))
        runner.visualizer.add_image('reconstruction', contact_sheet(strips), step=runner.epoch)
