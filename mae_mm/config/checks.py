"""What a run would trip over later, told before it starts."""
import inspect
import os
from collections.abc import Iterable, Sequence
from itertools import chain, islice
from typing import Any

from mmengine.config import Config, ConfigDict
from mmengine.registry import DATASETS, init_default_scope

from ..datasets.files import check_folder, none_there
from ..datasets.folder import has_splits
from ..datasets.pairs import stems_in
from ..datasets.reading import IMAGE_SUFFIXES
from ..datasets.scans import each_name
from ..datasets.shards import shards_at
from ..datasets.sizes import check_sizes
from ..datasets.splitting import held_out
from ..errors import InputError
from ..outputs import check_apart
from .bands import LOOKED_AT, check_bands
from .class_checks import check_class_folders, check_overlap
from .headers import check_headers
from .reading import datasets_of

FOLDERS = ('mae_mm.ImageFolder', 'mae_mm.ClassFolder', 'mae_mm.ImageNetFolder', 'CustomDataset')


def check_data(cfg: Config, loaders: Sequence[str]) -> None:
    """Look at the folders of the loaders' data sets.

    Raises:
        ValueError: a folder that is not there or holds no image, an image that has no label map or one of another
            size, class folders that make no classifier, an image that cannot be read or is smaller than a patch, or
            bands other than those of the config's ``statistics``.
    """
    statistics = cfg.get('statistics')
    init_default_scope(cfg.get('default_scope') or 'mmengine')
    trained: set[str] = set()
    for loader, dataset in datasets_of(cfg):
        with DATASETS.switch_scope_and_registry(None) as registry:
            kind: Any = registry.get(dataset.type) if isinstance(dataset.get('type'), str) else None
        if loader in loaders and hasattr(kind, 'check'):
            images = kind.check(**{key: value for key, value in dataset.items() if key != 'type'})
            check_bands(images[:LOOKED_AT], statistics)
            check_overlap(loader, images, [path for path in images if path in trained])
            trained.update(images if loader == 'train_dataloader' else ())
        elif loader in loaders and 'seg_map_path' in (dataset.get('data_prefix') or {}):
            _check_pairs(loader, dataset, statistics, kind)
        elif loader in loaders and dataset.type in FOLDERS:
            _check_folder(cfg, loader, dataset)
    check_class_folders(cfg, loaders)


def check_work_dir(cfg: Config) -> None:
    """See that the files of a new run, pictures among them, do not become images to train on.

    Raises:
        ValueError: its work dir is in a folder that all images, or all folders of images, are taken from.
    """
    for _, dataset in datasets_of(cfg):
        root, prefix = dataset.get('data_root') or '', dataset.get('data_prefix') or ''
        if dataset.type == 'mae_mm.ClassFolder' and dataset.get('split') and has_splits(root):
            prefix = dataset.split
        if dataset.type in FOLDERS[:2] and isinstance(prefix, str):
            check_apart(cfg.work_dir, os.path.join(root, prefix), '--work-dir')


def _check_folder(cfg: Config, loader: str, dataset: ConfigDict) -> None:
    prefix = dataset.get('data_prefix') or ''
    prefix = prefix if isinstance(prefix, str) else prefix.get('img_path', '')
    folder = os.path.join(dataset.get('data_root') or '', prefix).rstrip(os.sep)
    suffixes = tuple(dataset.get('extensions', IMAGE_SUFFIXES))
    try:
        if shards_at(folder) is None:
            check_folder(folder)
    except InputError as error:
        raise InputError(f'{error} ({loader}); --cfg-options data_root=DIR says where the images are') from None
    names: Iterable[str] = (name for name in each_name(folder) if name.lower().endswith(suffixes))
    trained = (cfg.get('train_dataloader') or {}).get('dataset') or {}
    shares = [part.get('held_out') for part in (trained, dataset)]
    alike = all(trained.get(key) == dataset.get(key) for key in ('type', 'data_root', 'data_prefix'))
    if dataset.get('split') == 'held_out' and alike and shares[0] != shares[1]:
        raise InputError(f'train_dataloader.dataset.held_out={shares[0]} and {loader}.dataset.held_out={shares[1]}: '
                         'training images would be measured on; --cfg-options held_out=SHARE changes both')
    if dataset.get('split') == 'held_out' and dataset.get('held_out') and trained.get('on_broken') == 'replace':
        names = sorted(held_out(sorted(names), dataset.held_out))  # the others may be broken
    images = (os.path.join(folder, name) for name in names)
    first = list(islice(images, LOOKED_AT))
    if not first:
        raise none_there(folder, suffixes, where=f' ({loader})')
    if dataset.get('on_broken') == 'replace':  # what is told of files here is told of each then
        return
    check_bands(first, cfg.get('statistics'))
    if dataset.type == 'mae_mm.ImageFolder':
        check_headers(cfg, dataset, chain(first, images))


def _check_pairs(loader: str, dataset: ConfigDict, statistics: Any, kind: Any) -> None:
    root = dataset.get('data_root') or ''
    folders = [os.path.join(root, dataset.data_prefix[key]) for key in ('img_path', 'seg_map_path')]
    for folder in folders:
        if not os.path.isdir(folder):
            raise InputError(f'{folder}: no such folder ({loader}); put the data there, or say where it is with '
                             '--cfg-options data_root=DIR')
    if dataset.get('ann_file'):
        if not os.path.isfile(os.path.join(root, dataset.ann_file)):
            raise InputError(f'{os.path.join(root, dataset.ann_file)}: no such file ({loader}, ann_file)')
        return
    defaults = inspect.signature(kind).parameters if kind else {}
    suffixes = [dataset.get(key, defaults[key].default if key in defaults else usual)
                for key, usual in (('img_suffix', '.jpg'), ('seg_map_suffix', '.png'))]
    images, labels = (stems_in(folder, [suffix], any_case=False)
                      for folder, suffix in zip(folders, suffixes, strict=True))
    if not images:
        raise InputError(f'{folders[0]}: no {suffixes[0]} images there ({loader})')
    unlabelled = [stem for stem in images if stem not in labels]
    if unlabelled:
        raise InputError(f'{folders[1]}: no label map for {len(unlabelled)} of {len(images)} images, such as '
                         f'{unlabelled[0]}{suffixes[1]} ({loader})')
    check_sizes([(path, labels[stem]) for stem, path in images.items()])
    check_bands([os.path.join(folders[0], stem + suffixes[0]) for stem in sorted(images)[:LOOKED_AT]], statistics)
