"""What follows from the data and the run: stated once, put wherever a config needs it, refused where it differs."""
import logging
import math
import os
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from mmengine.config import Config, ConfigDict
from mmengine.logging import print_log
from mmengine.registry import DATASETS, init_default_scope

from ..datasets.scans import each_name
from ..errors import InputError, listed
from .labels import SEGMENTATION_FOLDER, settle_class_weights
from .reading import datasets_of, steps_of
from .values import check_save_best

# Argument of the backbone -> its default, and that of mmsegmentation's MAE.
SEGMENTATION = {'rel_pos_bias': (False, True), 'init_values': (None, 0.1), 'final_norm': (True, False)}
PARTS = ('per_class', 'indices', 'ann_file')  # settings of a data set that choose among its files
# Head -> the sides of an image, in patches, up to which it normalises a map of one place.
ONE_PLACE = {'UPerHead': math.inf, 'DPTHead': 2, 'LinearHead': 1}
COUNTED_IN_FULL = 4  # batches: of a folder with more files than that nobody asks the number


def settle(cfg: Config, loaders: Sequence[str]) -> None:
    """Change a config in place so that its parts agree with its data.

    The classes are those of the data: heads whose ``num_classes`` is None, label checks, ``topk`` of metrics, class
    weights by frequency. A batch is not larger than the data set, and a warm-up shorter than the run.

    Args:
        loaders: names of the data loaders that will be used; the folders of others need not be there.

    Raises:
        ValueError: a number of classes, or a warm-up, that contradicts the data or the run.
    """
    init_default_scope(cfg.get('default_scope') or 'mmengine')
    _tell_differences(cfg)
    classes = _find_classes(cfg, loaders)
    if classes is not None:
        _settle_heads(cfg, classes)
        _settle_topk(cfg, len(classes))
    for _, dataset in datasets_of(cfg):
        of_dataset = classes_of(dataset)
        for step in steps_of(dataset.get('pipeline')):
            if step.get('type') in ('mae_mm.CheckLabels', 'CheckLabels') and of_dataset is not None:
                step.num_classes = len(of_dataset)
    settle_class_weights(cfg, classes, 'train_dataloader' in loaders)
    if 'train_dataloader' in loaders and cfg.get('train_cfg'):
        _settle_batch(cfg)
        _check_normalisation(cfg)
        _check_warmup(cfg)
        check_save_best(cfg)


def _tell_differences(cfg: Config) -> None:
    """Say what a segmentor's backbone has by its defaults where mmsegmentation's ``MAE`` has other ones."""
    model = cfg.model.get('module') or cfg.model
    backbone = model.get('backbone') or {}
    unset = [f'{name}={ours} (there {theirs})' for name, (ours, theirs) in SEGMENTATION.items()
             if name not in backbone]
    if 'decode_head' in model and backbone.get('type') == 'mae_mm.MAE' and unset:
        print_log(f'model.backbone: {", ".join(unset)} are defaults that differ from those of mmsegmentation\'s MAE; '
                  'set them in the config', logger='current', level=logging.WARNING)


def classes_of(dataset: ConfigDict) -> tuple[str, ...] | None:
    """The classes that a data set's config or its type names."""
    kind = DATASETS.get(dataset.type) if isinstance(dataset.get('type'), str) else dataset.get('type')
    known = {**getattr(kind, 'METAINFO', {}), **(dataset.get('metainfo') or {})}.get('classes')
    if known is None and dataset.get('num_classes'):  # of a list, whose labels are numbers
        known = map(str, range(dataset.num_classes))
    return None if known is None else tuple(known)


def _find_classes(cfg: Config, loaders: Sequence[str]) -> tuple[str, ...] | None:
    """The classes of the first data set that has any; data sets that can look for theirs are told them."""
    for name, dataset in datasets_of(cfg):
        kind: Any = DATASETS.get(dataset.type) if isinstance(dataset.get('type'), str) else None
        if name in loaders and hasattr(kind, 'find_metainfo') and not (dataset.get('metainfo') or {}).get('classes'):
            metainfo = kind.find_metainfo(**{key: value for key, value in dataset.items() if key != 'type'})
            for _, other in datasets_of(cfg):
                if other.type == dataset.type and other.get('data_root') == dataset.get('data_root'):
                    other.metainfo = {**metainfo, **(other.get('metainfo') or {})}
    found = [classes_of(dataset) for name, dataset in datasets_of(cfg) if name in loaders]
    return next((classes for classes in found if classes is not None), None)


def parts_with_classes(model: Any) -> Iterator[tuple[str, ConfigDict]]:
    """``(name, part)`` of the parts of a model's config that have a number of classes."""
    for name in ('head', 'decode_head', 'auxiliary_head', 'data_preprocessor'):
        parts = model.get(name)
        for part in parts if isinstance(parts, (list, tuple)) else [parts]:
            if isinstance(part, dict) and 'num_classes' in part:
                yield name, part


def _settle_heads(cfg: Config, classes: tuple[str, ...]) -> None:
    model = cfg.model.get('module') or cfg.model  # of a test at several scales
    for name, part in parts_with_classes(model):
        if part.num_classes is None:
            part.num_classes = len(classes)
        elif part.num_classes != len(classes):
            raise InputError(f'model.{name}.num_classes={part.num_classes}, and the data has {len(classes)} classes '
                             f'({listed(classes)}); --cfg-options model.{name}.num_classes={len(classes)}, or None')


def _settle_topk(cfg: Config, number: int) -> None:
    for name in ('val_evaluator', 'test_evaluator'):
        metrics: Any = cfg.get(name) or []
        for metric in metrics if isinstance(metrics, (list, tuple)) else [metrics]:
            topk = metric.get('topk')
            if topk is not None:
                topk = (topk, ) if isinstance(topk, int) else topk
                metric.topk = tuple(k for k in topk if k <= number) or (1, )


def _settle_batch(cfg: Config) -> None:
    """A batch of all processes together is not larger than the data set, and the rate follows it."""
    loader = cfg.train_dataloader
    processes = int(os.environ.get('WORLD_SIZE', 1))
    batch = loader.get('batch_size')
    if not isinstance(batch, int) or batch < 1:
        raise InputError(f'train_dataloader.batch_size={batch} is not a whole number from 1 on')
    views = _checked_views(loader)
    # The folder of a segmentation holds label maps and other splits too; others may use a part of theirs.
    part = loader.dataset.type == SEGMENTATION_FOLDER or any(loader.dataset.get(key) for key in PARTS)
    if not part and len(list(islice(_files(loader.dataset), COUNTED_IN_FULL * batch * processes))) == (
            COUNTED_IN_FULL * batch * processes):
        return
    images = len(DATASETS.build(loader.dataset))
    if images < processes * views:
        raise InputError(f'{images} training images are too few for {processes} processes'
                         + (f' and num_views={views}' if views > 1 else ''))
    if images >= batch * processes:
        return
    loader.batch_size = images // (processes * views) * views
    optimizer = cfg.optim_wrapper.optimizer
    optimizer.lr = optimizer.lr * loader.batch_size / batch
    if int(os.environ.get('RANK', 0)) == 0:
        print_log(f'{images} training image{"" if images == 1 else "s"}: batch_size is {loader.batch_size} instead of '
                  f'{batch}, and the learning rate {optimizer.lr:.3g}, in the same proportion', logger='current')


def _checked_views(loader: ConfigDict) -> int:
    """How many crops are taken of an image that has been decoded."""
    views = (loader.get('sampler') or {}).get('num_views', 1)
    if views > 1 and not any(step.get('type') == 'mae_mm.LoadCrop' for step in steps_of(loader.dataset.pipeline)):
        raise InputError(f'num_views={views} has no effect without mae_mm.LoadCrop in the training pipeline')
    if loader.batch_size % views:
        raise InputError(f'num_views={views} does not divide train_dataloader.batch_size={loader.batch_size}: all '
                         'views of an image are in one batch')
    return views


def _check_normalisation(cfg: Config) -> None:
    """A head that normalises one place an image, as what UPerHead has pooled: one image alone has no deviation."""
    head = cfg.model.get('decode_head') or {}
    neck = cfg.model.get('neck')
    alone = cfg.train_dataloader.batch_size == 1 and int(os.environ.get('WORLD_SIZE', 1)) == 1
    if alone and isinstance(neck, dict) and neck.get('type') == 'ClsBatchNormNeck':
        raise InputError('train_dataloader.batch_size is 1, and batch normalisation in model.neck needs two images or '
                         'more in a batch')
    limit = ONE_PLACE.get(str(head.get('type')).rpartition('.')[2], 0)
    size = (cfg.model.get('data_preprocessor') or {}).get('size') or (math.inf, )
    if (max(size) <= limit * cfg.model.backbone.get('patch_size', 16)
            and (head.get('norm_cfg') or {}).get('type') in ('BN', 'SyncBN')
            and alone):
        raise InputError('train_dataloader.batch_size is 1, and batch normalisation in model.decode_head needs two '
                         'images or more in a batch, so at least two training images')


def _files(dataset: ConfigDict) -> Iterator[str]:
    prefix = dataset.get('data_prefix') or ''
    prefix = prefix if isinstance(prefix, str) else prefix.get('img_path', '')
    yield from each_name(os.path.join(dataset.get('data_root') or '', prefix))


def _check_warmup(cfg: Config) -> None:
    schedulers = cfg.get('param_scheduler') or []
    epochs = cfg.train_cfg.get('max_epochs')
    for scheduler in schedulers if isinstance(schedulers, (list, tuple)) else [schedulers]:
        warmup = scheduler.get('warmup')
        if scheduler.get('type') == 'mae_mm.WarmupCosineLR' and epochs is not None and not 0 <= warmup < epochs:
            raise InputError(f'param_scheduler.warmup={warmup} epochs is not shorter than a run of {epochs} '
                             '(train_cfg.max_epochs); --cfg-options max_epochs=N changes both, where a config has it')
