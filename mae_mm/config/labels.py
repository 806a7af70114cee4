"""What the labels of a segmentation tell before a run: values that are no class, absent classes, class weights."""
import logging
import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from mmengine.config import Config, ConfigDict
from mmengine.registry import DATASETS

from ..datasets.classes import SHOWN_PROGRESS
from ..datasets.labels import IGNORED
from ..datasets.sizes import spread
from ..errors import InputError, listed
from ..progress import progress_of, tell
from .reading import datasets_of, steps_of

FREQUENCY = 'frequency'
SEGMENTATION_FOLDER = 'mae_mm.SegmentationFolder'
LOOKED_AT = 1000  # label maps in which a class is looked for
ALWAYS = 200  # label maps that are looked at before a run, which tells of wrong values in small folders


def settle_class_weights(cfg: Config, classes: Sequence[str] | None, training: bool) -> None:
    """Put numbers in the place of ``class_weight='frequency'`` of all losses.

    Args:
        training: whether the training labels will be used; without them the weights are left out, as no loss is
            computed.

    Raises:
        ValueError: weights that are neither that nor one number for each class.
    """
    losses = [loss for loss in losses_of(cfg.model.get('module') or cfg.model) if loss.get('class_weight') is not None]
    for loss in losses:
        _check(loss.class_weight, classes)
    by_frequency = [loss for loss in losses if loss.class_weight == FREQUENCY]
    if not by_frequency:
        return
    weights = _by_frequency(cfg.train_dataloader.dataset, classes) if training else None
    for loss in by_frequency:
        loss.class_weight = weights


def look_at_labels(cfg: Config, loaders: Sequence[str]) -> None:
    """Read label maps of segmentation folders before a training, and warn of classes that never occur in it.

    All are read where there are few; of many so many that each class has been seen, and a thousand at most.

    Raises:
        ValueError: a label map with a value that is not a class, one that cannot be read, or no label at all.
    """
    for name, dataset in datasets_of(cfg):
        if name in loaders and dataset.type == SEGMENTATION_FOLDER:
            classes = dataset.metainfo['classes']
            seen, number = np.zeros(len(classes), dtype=bool), 0
            for counts in _counted(dataset, len(classes), LOOKED_AT):
                seen |= counts > 0
                number += 1
                if number >= ALWAYS and seen.all():
                    break
            if not seen.any():
                raise InputError(f'none of {number} label maps of {name} has a pixel with a class: all are ignored '
                                 f'(ignore_index={dataset.get("ignore_index", IGNORED)}; reduce_zero_label='
                                 f'{dataset.get("reduce_zero_label", False)})')
            absent = [class_name for class_name, there in zip(classes, seen, strict=True) if not there]
            if absent and name == 'train_dataloader':
                tell(f'class {listed(absent)} never occurs in the {number} training label maps that were looked at: '
                     'it cannot be learnt', logging.WARNING)


def median_frequency(counts: np.ndarray) -> np.ndarray:
    """Weights by median frequency balancing (Eigen and Fergus, ICCV 2015, section 6.2).

    A class's frequency is the share of its pixels in the images that have it, and its weight the median of all
    frequencies over its own. One that never occurs weighs 1, and is left out of the median.

    Args:
        counts: ``(images, classes)`` pixels.
    """
    pixels, present = counts.sum(0), counts > 0
    of_images = (present * counts.sum(1, keepdims=True)).sum(0)  # pixels of the images that have the class
    frequency = np.divide(pixels, of_images, out=np.full(len(pixels), np.nan), where=pixels > 0)
    if np.isnan(frequency).all():
        return np.ones(len(pixels))
    return np.nan_to_num(np.nanmedian(frequency) / frequency, nan=1.)


def losses_of(model: Any) -> Iterator[ConfigDict]:
    """The configs of the losses of a segmentor's heads."""
    for name in ('decode_head', 'auxiliary_head'):
        heads = model.get(name) or []
        for head in heads if isinstance(heads, (list, tuple)) else [heads]:
            losses = head.get('loss_decode') or []
            yield from losses if isinstance(losses, (list, tuple)) else [losses]


def _check(weights: Any, classes: Sequence[str] | None) -> None:
    if weights == FREQUENCY:
        return
    if not isinstance(weights, (list, tuple)) or not any(weights) or not all(
            isinstance(weight, (int, float)) and math.isfinite(weight) and weight >= 0 for weight in weights):
        raise InputError(f'class_weight={weights!r} is neither {FREQUENCY!r} nor a list of numbers from 0 on, one '
                         'at least above 0')
    if classes is not None and len(weights) != len(classes):
        raise InputError(f'class_weight has {len(weights)} numbers, and the data has {len(classes)} classes '
                         f'({listed(classes)})')


def _by_frequency(dataset: ConfigDict, classes: Sequence[str] | None) -> list[float]:
    if classes is None:
        raise InputError(f'class_weight={FREQUENCY!r}, and the data set names no classes')
    counts = np.array(list(_counted(dataset, len(classes))))
    weights = [float(f'{weight:.4g}') for weight in median_frequency(counts)]
    shown = [f'{name} {weight:g}' for name, weight in zip(classes, weights, strict=True)]
    tell(f'class weights by frequency: {", ".join(shown[:20])}{", ..." if len(shown) > 20 else ""}')
    return weights


def _counted(dataset: ConfigDict, number: int, at_most: int | None = None) -> Iterator[np.ndarray]:
    """Pixels of each class in the label maps of a data set, or in so many that are spread over it evenly."""
    steps = [step for step in steps_of(dataset.get('pipeline'))
             if str(step.get('type')).rpartition('.')[2] in ('LoadAnnotations', 'CheckLabels')]
    labels = DATASETS.build(dict(dataset, pipeline=steps))
    chosen = spread(range(len(labels)), at_most or len(labels))
    with progress_of(len(chosen), shown=len(chosen) > SHOWN_PROGRESS) as progress:
        for i in chosen:
            values = labels[i]['gt_seg_map']
            yield np.bincount(values[values < number].ravel(), minlength=number)
            progress.update()
