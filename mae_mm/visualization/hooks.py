"""Hooks that draw: segmentations, classes and reconstructions of a test, reconstructions during pre-training."""
import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from mmengine.dataset import pseudo_collate
from mmengine.dist import master_only
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper

from ..checkpoint.writing import AtomicBackend
from ..outputs import check_target, common_folder, output_names
from ..registry import HOOKS
from .bands import picture_options, read_rgb
from .classification import best_classes, classification_picture
from .reconstruction import reconstruction_strips
from .segmentation import contact_sheet, label_png, segmentation_strip, write_rgb


def _bare(model: Any) -> Any:
    return model.module if is_model_wrapper(model) else model


class _SaveHook(Hook):
    """Writes something of every test image into a folder, under its path in the folder that holds all of them."""

    def __init__(self, out_dir: str):
        self.out_dir = out_dir
        self.names: dict[str, str] = {}

    def before_test(self, runner: Any) -> None:
        dataset = runner.test_loop.dataloader.dataset
        infos = [dataset.get_data_info(i) for i in range(len(dataset))]
        self.names = output_names([info['img_path'] for info in infos])
        labels = [info['seg_map_path'] for info in infos if info.get('seg_map_path')]
        check_target(self.out_dir, [common_folder(paths) for paths in (list(self.names), labels) if paths])

    def _path(self, image_path: str) -> str:
        return os.path.join(self.out_dir, f'{self.names[image_path]}.png')


@HOOKS.register_module()
class SaveLabelsHook(_SaveHook):
    """Writes the label map of every test image as an indexed PNG, in the values of the data set's own label maps."""

    def after_test_iter(self, runner: Any, batch_idx: int, data_batch: Any = None,
                        outputs: Sequence | None = None) -> None:
        palette = np.array(runner.test_loop.dataloader.dataset.metainfo['palette'], dtype=np.uint8)
        for sample in outputs or ():
            labels = sample.pred_sem_seg.data.squeeze().cpu().numpy()
            colours = palette
            if sample.get('reduce_zero_label'):  # 0 is what is ignored there
                labels, colours = labels + 1, np.concatenate([np.zeros((1, 3), np.uint8), palette])
            AtomicBackend().put(label_png(labels, colours), self._path(sample.img_path))


@HOOKS.register_module()
class SavePicturesHook(_SaveHook):
    """Writes a strip of every test image into a folder, under its name.

    A segmentor's shows image, truth and prediction; a masked autoencoder's what is visible, what it makes of it, and
    the image; a classifier's the image, its class and the likeliest ones.
    """

    def after_test_iter(self, runner: Any, batch_idx: int, data_batch: Any = None,
                        outputs: Sequence | None = None) -> None:
        options = picture_options(runner.cfg)
        if hasattr(_bare(runner.model), 'reconstruct'):
            strips = reconstruction_strips(_bare(runner.model), data_batch, options['bands'])
            for strip, sample in zip(strips, data_batch['data_samples'], strict=True):
                write_rgb(strip, self._path(sample.img_path))
            return
        metainfo = runner.test_loop.dataloader.dataset.metainfo
        if outputs and 'pred_score' in outputs[0]:
            for sample in outputs:
                best = best_classes(sample.pred_score.cpu(), metainfo['classes'])
                truth = metainfo['classes'][int(sample.gt_label)]
                write_rgb(classification_picture(sample.img_path, best, truth, **options), self._path(sample.img_path))
            return
        palette = np.array(metainfo['palette'], dtype=np.uint8)
        for sample in outputs or ():
            truth = sample.gt_sem_seg.data[0].cpu().numpy() if 'gt_sem_seg' in sample else None
            prediction = sample.pred_sem_seg.data.squeeze().cpu().numpy()
            image = read_rgb(sample.img_path, **options)
            write_rgb(segmentation_strip(image, prediction, truth, palette), self._path(sample.img_path))


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
