"""A trained model on images that no data set lists."""
import os
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from mmcv.transforms import Compose
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.device import get_device
from mmengine.registry import DATASETS, MODELS, init_default_scope

from ..checkpoint.loading import load_into, weights_for
from ..checkpoint.reading import read_checkpoint
from ..datasets.reading import IMAGE_SUFFIXES
from ..errors import InputError

TRUTH = ('LoadAnnotations', 'mae_mm.CheckLabels')  # what a test pipeline has for labels


def trained_model(cfg: Config, checkpoint: str) -> tuple[Any, dict[str, Any]]:
    """A config's model in eval mode with a checkpoint's weights, and what is told of its classes.

    Raises:
        ValueError: a checkpoint that does not fit the config.
    """
    init_default_scope(cfg.default_scope)
    model = MODELS.build(cfg.model).eval()
    loaded = read_checkpoint(checkpoint)
    load_into(model, weights_for(model, loaded, checkpoint), checkpoint)
    dataset = (cfg.get('test_dataloader') or {}).get('dataset') or {}
    known = getattr(DATASETS.get(dataset['type']), 'METAINFO', {}) if dataset else {}
    return model, {**known, **(dataset.get('metainfo') or {}), **(loaded.get('meta', {}).get('dataset_meta') or {})}


class Predictor:
    """A classifier or a segmentor, its weights and its test pipeline.

    Attributes:
        classes: their names.
        palette: ``(classes, 3)`` RGB bytes, None for a classifier.

    Raises:
        ValueError: a checkpoint that does not fit the config.
    """

    def __init__(self, cfg: Config, checkpoint: str):
        self.model, metainfo = trained_model(cfg, checkpoint)
        self.model.to(get_device())
        if 'classes' not in metainfo:
            raise InputError(f'neither {checkpoint} nor the config names the classes; --cfg-options '
                             "test_dataloader.dataset.metainfo.classes=\"['cat','dog']\"")
        self.classes: Sequence[str] = metainfo['classes']
        palette = metainfo.get('palette')
        self.palette = None if palette is None else np.array(palette, dtype=np.uint8)
        pipeline = cfg.test_dataloader.dataset.pipeline
        self.pipeline = Compose([step for step in pipeline if step['type'] not in TRUTH])

    @torch.no_grad()
    def __call__(self, paths: Sequence[str]) -> list[Any]:
        """The model's data samples of some images, which are one batch."""
        batch = [self.pipeline(dict(img_path=path, sample_idx=i)) for i, path in enumerate(paths)]
        return self.model.test_step(pseudo_collate(batch))


def images_in(sources: Sequence[str]) -> Iterator[tuple[str, str]]:
    """``(path, name for what is made of it)`` of each image of some files and folders.

    Raises:
        ValueError: one that is not there, or a folder without images.
    """
    for source in sources:
        if os.path.isfile(source):
            yield source, os.path.basename(source)
            continue
        if not os.path.isdir(source):
            raise InputError(f'{source}: no such image or folder')
        paths = sorted(os.path.join(folder, name) for folder, _, names in os.walk(source, followlinks=True)
                       for name in names if name.lower().endswith(IMAGE_SUFFIXES))
        if not paths:
            raise InputError(f'{source}: no images there; known are {", ".join(IMAGE_SUFFIXES)}')
        for path in paths:
            yield path, os.path.relpath(path, source)
