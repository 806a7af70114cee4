"""What a run would trip over later, told before it starts."""
import os
from collections.abc import Sequence
from itertools import islice
from typing import Any

from mmengine.config import Config, ConfigDict

from ..datasets.reading import IMAGE_SUFFIXES
from ..errors import InputError
from .bands import LOOKED_AT, check_bands
from .reading import datasets_of

FOLDERS = ('mae_mm.ImageFolder', 'mae_mm.ClassFolder', 'mae_mm.ImageNetFolder', 'CustomDataset')


def check_data(cfg: Config, loaders: Sequence[str]) -> None:
    """Look at the folders of the loaders' data sets.

    Raises:
        ValueError: a folder that is not there or holds no image, an image that has no label map, or bands other than
            those of the config's ``statistics``.
    """
    statistics = cfg.get('statistics')
    for loader, dataset in datasets_of(cfg):
        if loader in loaders and 'seg_map_path' in (dataset.get('data_prefix') or {}):
            _check_pairs(loader, dataset, statistics)
        elif loader in loaders and dataset.type in FOLDERS:
            _check_folder(loader, dataset, statistics)


def _check_folder(loader: str, dataset: ConfigDict, statistics: Any) -> None:
    prefix = dataset.get('data_prefix') or ''
    prefix = prefix if isinstance(prefix, str) else prefix.get('img_path', '')
    folder = os.path.join(dataset.get('data_root') or '', prefix).rstrip(os.sep)
    suffixes = tuple(dataset.get('extensions', IMAGE_SUFFIXES))
    if not os.path.isdir(folder):
        raise InputError(f'{folder}: no such folder ({loader}); put the images there, or say where they are with '
                         '--cfg-options data_root=DIR')
    images = list(islice((os.path.join(base, name) for base, _, names in os.walk(folder, followlinks=True)
                          for name in sorted(names) if name.lower().endswith(suffixes)), LOOKED_AT))
    if not images:
        raise InputError(f'{folder}: no images there ({loader}); known are {", ".join(suffixes)}')
    check_bands(images, statistics)


def _check_pairs(loader: str, dataset: ConfigDict, statistics: Any) -> None:
    root = dataset.get('data_root') or ''
    folders = [os.path.join(root, dataset.data_prefix[key]) for key in ('img_path', 'seg_map_path')]
    for folder in folders:
        if not os.path.isdir(folder):
            raise InputError(f'{folder}: no such folder ({loader}); put the data there, or say where it is with '
                             '--cfg-options data_root=DIR')
    if dataset.get('ann_file'):
        return
    suffixes = dataset.get('img_suffix', '.jpg'), dataset.get('seg_map_suffix', '.png')
    images, labels = ({
        os.path.relpath(os.path.join(base, name), folder)[:-len(suffix)]
        for base, _, names in os.walk(folder, followlinks=True) for name in names if name.endswith(suffix)
    } for folder, suffix in zip(folders, suffixes, strict=False))
    if not images:
        raise InputError(f'{folders[0]}: no {suffixes[0]} images there ({loader})')
    unlabelled = sorted(images - labels)
    if unlabelled:
        raise InputError(f'{folders[1]}: no label map for {len(unlabelled)} of {len(images)} images, such as '
                         f'{unlabelled[0]}{suffixes[1]} ({loader})')
    check_bands([os.path.join(folders[0], stem + suffixes[0]) for stem in sorted(images)[:LOOKED_AT]], statistics)
