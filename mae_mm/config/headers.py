"""Images' headers, looked at before a run."""
from collections.abc import Iterable
from itertools import islice
from typing import Any

from mmengine.config import Config, ConfigDict

from ..datasets.reading import size_in_header
from ..datasets.shards import bytes_at
from ..errors import InputError
from ..registry import TRANSFORMS

MOST = 2_000  # images of a data set whose headers are read: a second or two


def check_headers(cfg: Config, dataset: ConfigDict, paths: Iterable[str]) -> None:
    """Look at the first 2,000 of some images of a data set.

    Raises:
        ValueError: one that is smaller than a patch, or cannot be read.
    """
    patch = _patch_size(cfg.get('model') or {})
    for path in islice(paths, MOST):
        data = bytes_at(path)
        height, width = size_in_header(path, data)
        if not height and dataset.get('on_broken') == 'replace':  # what cannot be read is left to the run
            continue
        if not height:  # not for Pillow: does what will read it know it?
            _load(dataset, dict(img_path=path) if data is None else dict(img_path=path, img_bytes=data))
        elif min(height, width) < patch:
            raise InputError(f'{path}: {height}x{width} pixels, and a patch has {patch}x{patch}; scale the image up '
                             'or remove it')


def _patch_size(model: Any) -> int:
    backbone = (model.get('module') or model).get('backbone') or {}
    return backbone.get('patch_size', 16) if backbone.get('type') == 'mae_mm.MAE' else 1


def _load(dataset: ConfigDict, results: dict[str, Any]) -> None:
    for step in dataset.get('pipeline') or ():
        if step.get('type') in ('mae_mm.LoadImage', 'mae_mm.LoadCrop', 'LoadImageFromFile'):
            TRANSFORMS.build(step)(results)
