"""Images other than 8-bit RGB: what follows from the statistics of their bands, wherever a config needs it."""
import json
import logging
import math
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from mmengine.config import Config, ConfigDict
from mmengine.logging import print_log

from ..checkpoint.reading import meta_of, read_checkpoint
from ..datasets.files import check_file
from ..datasets.nodata import NAN
from ..datasets.reading import IMAGE_SUFFIXES, MAX_BANDS, NEED_STATISTICS, header_or_zeros
from ..datasets.scans import each_name
from ..datasets.shards import bytes_at
from ..errors import InputError
from ..progress import tell
from .stored import parsed

PIPELINES = ('train_pipeline', 'test_pipeline', 'tta_pipeline')
# Augmentations of the hosts that are for colours of 8 bits.
OF_COLOURS = ('RandAugment', 'AutoAugment', 'RandomErasing', 'PhotoMetricDistortion', 'ColorJitter', 'Lighting')
LOADERS = ('LoadImageFromFile', 'mae_mm.LoadImageFromFile', 'mae_mm.LoadImage', 'mae_mm.LoadCrop')
LOOKED_AT = 100  # headers of each data set, before a run


def settle_bands(cfg: Config) -> None:
    """Put what ``statistics``, ``bands`` and ``picture_bands`` say into a config, in place.

    ``statistics``, a file of ``mae-mm stats`` or its contents, makes the loader read bands as they are stored; the
    data preprocessor has their means and deviations, and the backbone their number. Afterwards it is the contents, so
    that a checkpoint holds them. ``bands`` says which bands of its checkpoint a model starts from
    (:func:`mae_mm.checkpoint.bands.take_bands`), ``picture_bands`` which ones are shown.

    Raises:
        ValueError: statistics that are none, or a setting that does not fit them or would have no effect.
    """
    given = cfg.get('statistics')
    statistics = _statistics_of_start(cfg) if given is None else given
    if statistics is not None:
        cfg.statistics = statistics = read_statistics(statistics)
        if given is not None:
            _compare_with_start(cfg, statistics)
        number = len(statistics['mean'])
        shown = cfg.get('picture_bands')
        shown = shown if shown is not None else [0, 1, 2] if number > 2 else [0]
        cfg.picture_bands = checked_places(shown, number)
        _settle_model(cfg.model, statistics)
        left_out = sorted({name for pipeline in _pipelines(cfg) for name in _settle_pipeline(pipeline, statistics)})
        if left_out:
            print_log(f'{number} bands: the pipelines are without {", ".join(left_out)}, which are for 8-bit RGB',
                      logger='current')
    elif cfg.get('picture_bands') is not None:
        raise InputError('picture_bands is for images with statistics (mae-mm stats DIR); RGB is shown as it is')
    if cfg.get('bands') is not None:
        _settle_start(cfg)


def _statistics_of_start(cfg: Config) -> Any:
    """Those that the checkpoint was trained with, where the data needs some or is not there; else None."""
    checkpoint, image = _start_of(cfg), _first_image(cfg)
    if checkpoint is None or image is not None and not header_or_zeros(image, bytes_at(image)).other_than_rgb:
        return None
    found = _statistics_in(checkpoint)
    if found is not None:
        tell(f'{image + " is not 8-bit RGB: " if image else ""}statistics of bands are those of {checkpoint}')
    return found


def _start_of(cfg: Config) -> str | None:
    """The file that the model starts from, if it is there."""
    start = (cfg.model.get('backbone') or {}).get('init_cfg')
    found = cfg.get('load_from') or (start.get('checkpoint') if isinstance(start, dict) else None)
    return found if isinstance(found, str) and os.path.isfile(found) else None


def _statistics_in(checkpoint: str) -> Any:
    text = meta_of(read_checkpoint(checkpoint)).get('cfg')
    return parsed(text, checkpoint).get('statistics') if isinstance(text, str) else None


def _compare_with_start(cfg: Config, statistics: Mapping[str, Any]) -> None:
    """Tell that a model starts from one that has learned from inputs normalised otherwise."""
    checkpoint = _start_of(cfg) if cfg.get('bands') is None else None
    try:
        found = read_statistics(_statistics_in(checkpoint) if checkpoint else {})
    except InputError:  # there are none
        return
    if len(found['mean']) != len(statistics['mean']):  # which is told with the weights
        return
    differing = [i for i in range(len(found['mean'])) if any(
        not math.isclose(found[key][i], statistics[key][i], rel_tol=1e-6) for key in ('mean', 'std'))]
    if differing:
        i = differing[0]
        told, known = (f'{of["mean"][i]:.6g} and {of["std"][i]:.6g}' for of in (statistics, found))
        print_log(f'The statistics are not those of {checkpoint}, whose encoder has learned from inputs normalised by '
                  f'them: mean and deviation of band {i} are {told} here and {known} there', logger='current',
                  level=logging.WARNING)


def _first_image(cfg: Config) -> str | None:
    """An image of the data, if it is there; what is wrong with the data is told later."""
    dataset = ((cfg.get('train_dataloader') or cfg.get('test_dataloader') or {}).get('dataset')) or {}
    inner = 'images' if dataset.get('type') == 'mae_mm.SegmentationFolder' else ''
    folder = os.path.join(dataset.get('data_root') or '', inner)
    try:
        return next((os.path.join(folder, name) for name in each_name(folder)
                     if name.lower().endswith(IMAGE_SUFFIXES)), None)
    except InputError:
        return None


def read_statistics(source: str | Mapping[str, Any]) -> dict[str, Any]:
    """``mean`` and ``std``, a number for each band, and ``nodata``, of a file of ``mae-mm stats`` or a dict.

    Raises:
        ValueError: with the file, or what is wrong.
    """
    told: Any = source
    where = 'statistics'
    if isinstance(source, str):
        where = source
        try:
            check_file(source)
            with open(source) as file:
                told = json.load(file)
        except (OSError, ValueError, RecursionError) as error:
            raise InputError(f'{source} is not a file of statistics ({error}); mae-mm stats DIR writes one') from None
    if not isinstance(told, Mapping) or not {'mean', 'std'} <= set(told):
        raise InputError(f'{where}: no "mean" and "std" of bands; mae-mm stats DIR writes them')
    mean, std, nodata = told['mean'], told['std'], told.get('nodata')
    if not (_are_numbers(mean) and _are_numbers(std) and len(mean) == len(std) <= MAX_BANDS and min(std) > 0):
        raise InputError(f'{where}: mean and std have to be a number for each of 1 to {MAX_BANDS} bands, and std '
                         'above 0')
    if nodata is not None and nodata != NAN and not _are_numbers([nodata]):
        raise InputError(f'{where}: nodata={nodata!r} is neither a number nor {NAN!r}')
    return dict(mean=[float(value) for value in mean], std=[float(value) for value in std], nodata=nodata)


def _are_numbers(values: Any) -> bool:
    return isinstance(values, (list, tuple)) and len(values) > 0 and all(
        isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value) for value in values)


def checked_places(shown: Any, number: int, name: str = 'picture_bands=') -> list[int]:
    """Bands that can be shown, of so many; ``ValueError`` with the ``name`` of what asks for others."""
    shown = [shown] if isinstance(shown, int) else shown
    if (not isinstance(shown, Sequence) or len(shown) not in (1, 3)
            or not all(isinstance(place, int) and 0 <= place < number for place in shown)):
        raise InputError(f'{name}{shown}: one or three numbers from 0 to {number - 1}')
    return list(shown)


def _settle_model(model: ConfigDict, statistics: Mapping[str, Any]) -> None:
    preprocessor = model.setdefault('data_preprocessor', ConfigDict())
    for key in ('to_rgb', 'bgr_to_rgb', 'rgb_to_bgr'):
        preprocessor.pop(key, None)
    segments = 'decode_head' in model
    preprocessor.type = 'mae_mm.BandsSegPreprocessor' if segments else 'mae_mm.BandsPreprocessor'
    preprocessor.mean, preprocessor.std = statistics['mean'], statistics['std']
    model.backbone.in_channels = len(statistics['mean'])


def _pipelines(cfg: Config) -> Iterator[list]:
    """All pipelines of a config; one that several names share comes several times."""
    nodes: list[Any] = [cfg._cfg_dict]
    while nodes:
        node = nodes.pop()
        for key, value in node.items():
            if (key == 'pipeline' or key in PIPELINES) and isinstance(value, list):
                yield value
            elif isinstance(value, dict):
                nodes.append(value)


def _settle_pipeline(pipeline: list, statistics: Mapping[str, Any]) -> list[str]:
    """Fit the steps of a pipeline, and of those inside it, to bands; the names of the steps that are taken out."""
    gone = [step['type'] for step in pipeline if isinstance(step, dict) and step.get('type') in OF_COLOURS]
    pipeline[:] = [step for step in pipeline if not isinstance(step, dict) or step.get('type') not in OF_COLOURS]
    for step in pipeline:
        if isinstance(step, list):
            gone += _settle_pipeline(step, statistics)
            continue
        if step.get('type') in LOADERS:
            if step['type'] == 'LoadImageFromFile':
                step['_scope_'] = 'mae_mm'
            step.update(bands=len(statistics['mean']), nodata=statistics['nodata'], fill=statistics['mean'])
        if step.get('backend') == 'pillow':  # which knows no bands
            step['backend'] = 'cv2'
        if isinstance(step.get('transforms'), list):
            gone += _settle_pipeline(step['transforms'], statistics)
    return gone


def _settle_start(cfg: Config) -> None:
    rule = cfg.bands = [cfg.bands] if isinstance(cfg.bands, (int, str)) else list(cfg.bands)
    start: Any = cfg.model.backbone.get('init_cfg')
    if isinstance(start, dict) and start.get('type') == 'Pretrained':
        start['bands'] = rule
    elif not cfg.get('load_from'):
        raise InputError(f'bands={rule} says which bands of a checkpoint the model starts from, and there is none; '
                         'add checkpoint=FILE, or load_from=FILE for pre-training')


def check_bands(paths: Iterable[str], statistics: Mapping[str, Any] | None) -> None:
    """Look at the headers of some images.

    Raises:
        ValueError: with the first image that a config with these statistics, or without any, is not for.
    """
    for path in paths:
        told = header_or_zeros(path, bytes_at(path))
        if statistics is None and told.other_than_rgb:
            raise InputError(f'{path}: {told}. {NEED_STATISTICS}')
        if statistics is not None and told.channels not in (0, len(statistics['mean'])):
            raise InputError(f'{path}: {told}, and the statistics are of {len(statistics["mean"])}; all images need '
                             'the same bands')

