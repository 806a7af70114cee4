"""Weights of the classes in a segmentor's loss, by how often the training labels have them."""
import logging
import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from mmengine.config import Config, ConfigDict
from mmengine.registry import DATASETS

from ..datasets.classes import SHOWN_PROGRESS
from ..errors import InputError, listed
from ..progress import progress_of, tell
from .reading import steps_of

FREQUENCY = 'frequency'
LOOKED_AT = 1000  # label maps in which a class is looked for


def settle_class_weights(cfg: Config, classes: Sequence[str] | None, training: bool) -> None:
    """Put numbers in the place of ``class_weight='frequency'`` of all losses, and tell which classes never occur.

    Args:
        training: whether the training labels will be used; without them the weights are left out, as no loss is
            computed.

    Raises:
        ValueError: weights that are neither that nor one number for each class.
    """
    losses = list(_losses(cfg.model.get('module') or cfg.model))
    wanted = [loss for loss in losses if loss.get('class_weight') is not None]
    for loss in wanted:
        _check(loss.class_weight, classes)
    by_frequency = [loss for loss in wanted if loss.class_weight == FREQUENCY]
    if not training or classes is None:
        weights = None
    elif by_frequency:
        weights = _by_frequency(cfg.train_dataloader.dataset, classes)
    else:
        if cfg.train_dataloader.dataset.type == 'mae_mm.SegmentationFolder':
            _tell_absent(cfg.train_dataloader.dataset, classes)
        return
    for loss in by_frequency:
        loss.class_weight = weights


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


def _losses(model: Any) -> Iterator[ConfigDict]:
    """The configs of the losses of a segmentor's heads."""
    for name in ('decode_head', 'auxiliary_head'):
        heads = model.get(name) or []
        for head in heads if isinstance(heads, (list, tuple)) else [heads]:
            losses = head.get('loss_decode') or []
            yield from losses if isinstance(losses, (list, tuple)) else [losses]


def _check(weights: Any, classes: Sequence[str] | None) -> None:
    if weights == FREQUENCY:
        return
    if not isinstance(weights, (list, tuple)) or not all(
            isinstance(weight, (int, float)) and math.isfinite(weight) and weight >= 0 for weight in weights):
        raise InputError(f'class_weight={weights!r} is neither {FREQUENCY!r} nor a list of numbers from 0 on')
    if classes is not None and len(weights) != len(classes):
        raise InputError(f'class_weight has {len(weights)} numbers, and the data has {len(classes)} classes '
                         f'({listed(classes)})')


def _by_frequency(dataset: ConfigDict, classes: Sequence[str]) -> list[float]:
    counts = np.array(list(_counted(dataset, len(classes))))
    _tell(classes, counts.sum(0) > 0, f'the {len(counts)} training label maps')
    weights = [float(f'{weight:.4g}') for weight in median_frequency(counts)]
    shown = [f'{name} {weight:g}' for name, weight in zip(classes, weights, strict=True)]
    tell(f'class weights by frequency: {", ".join(shown[:20])}{", ..." if len(shown) > 20 else ""}')
    return weights


def _tell_absent(dataset: ConfigDict, classes: Sequence[str]) -> None:
    """Look for all classes in some training labels, until each has been seen."""
    seen = np.zeros(len(classes), dtype=bool)
    number = 0
    for counts in _counted(dataset, len(classes), LOOKED_AT):
        seen |= counts > 0
        number += 1
        if seen.all():
            return
    _tell(classes, seen, f'the {number} training label maps that were looked at')


def _tell(classes: Sequence[str], seen: np.ndarray, where: str) -> None:
    absent = [name for name, there in zip(classes, seen, strict=True) if not there]
    if absent:
        tell(f'class {listed(absent)} never occurs in {where}: nothing can be learnt of it', logging.WARNING)


def _counted(dataset: ConfigDict, number: int, at_most: int | None = None) -> Iterator[np.ndarray]:
    """Pixels of each class in the label maps of a data set, or in so many that are spread over it evenly."""
    steps = [step for step in steps_of(dataset.get('pipeline'))
             if str(step.get('type')).rpartition('.')[2] in ('LoadAnnotations', 'CheckLabels')]
    labels = DATASETS.build(dict(dataset, pipeline=steps))
    chosen = range(len(labels))[::max(1, -(-len(labels) // (at_most or len(labels))))]
    with progress_of(len(chosen), shown=len(chosen) > SHOWN_PROGRESS) as progress:
        for i in chosen:
            values = labels[i]['gt_seg_map']
            yield np.bincount(values[values < number].ravel(), minlength=number)
            progress.update()
