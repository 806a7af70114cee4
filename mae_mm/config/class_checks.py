"""Class folders, looked at before a run."""
import logging
import os
from collections.abc import Sequence
from typing import Any

from mmengine.config import Config, ConfigDict
from mmengine.logging import print_log

from ..datasets.files import is_folder
from ..datasets.folder import UNMEASURED, ClassFolder
from ..errors import InputError, listed
from .headers import MOST, check_headers
from .reading import datasets_of


def check_class_folders(cfg: Config, loaders: Sequence[str]) -> None:
    """Look through the data sets of class folders that a run will use.

    Images beside the class folders, and classes that are trained on and not measured, are told in the log.

    Raises:
        ValueError: see :class:`ClassFolder`; fewer than two classes, images both to train on and to measure on, one
            that cannot be read or is smaller than a patch.
    """
    trained: dict[str, str] = {}  # the file behind a path -> the path
    for loader, dataset in datasets_of(cfg):
        if loader not in loaders or dataset.type != 'mae_mm.ClassFolder' or dataset.get('ann_file'):
            continue
        found = _find(dataset)
        paths = [info['img_path'] for info in found.data_list]
        check_headers(cfg, dataset, paths[::max(len(paths) // MOST, 1)])
        _tell_strays(found)
        if loader == 'train_dataloader':
            trained = {os.path.realpath(path): path for path in paths}
        elif trained:
            check_overlap(loader, paths, [path for path in paths if os.path.realpath(path) in trained])
            _tell_unmeasured(found)


def _find(dataset: ConfigDict) -> ClassFolder:
    """A data set that knows its images and classes, and reads none."""
    options: dict[str, Any] = {key: value for key, value in dataset.items() if key not in ('type', 'pipeline')}
    metainfo = dict(options.get('metainfo') or {})
    options['metainfo'] = metainfo if metainfo.get('classes') else {**ClassFolder.find_metainfo(**options), **metainfo}
    return ClassFolder(**options, serialize_data=False)


def check_overlap(loader: str, paths: Sequence[str], both: Sequence[str]) -> None:
    """Raises ``ValueError`` if any of the images of a loader are in both."""
    if both:
        raise InputError(f'{len(both)} of the {len(paths)} images of {loader} are training images too, such as '
                         f'{both[0]}; measure on other images, or train without measuring: {UNMEASURED}')


def _tell_strays(found: ClassFolder) -> None:
    if found.shards is not None:
        return
    names = sorted(entry.name for entry in os.scandir(found.img_prefix)
                   if entry.name[0] != '.' and not is_folder(entry) and found.is_valid_file(entry.name))
    if names:
        print_log(f'{os.path.normpath(found.img_prefix)}: images beside the class folders have no class and are left '
                  f'out: {listed(names)}', logger='current', level=logging.WARNING)


def _tell_unmeasured(found: ClassFolder) -> None:
    measured = {info['gt_label'] for info in found.data_list}
    missing = [name for label, name in enumerate(found.CLASSES) if label not in measured]
    if missing:
        print_log(f'{os.path.normpath(found.img_prefix)}: no images of class {listed(missing)}, which is not measured',
                  logger='current', level=logging.WARNING)
