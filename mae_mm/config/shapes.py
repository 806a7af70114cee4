"""Widths and numbers of maps that the parts of a model's config hand to each other."""
from collections.abc import Iterator
from typing import Any

from mmengine.config import Config, ConfigDict

from ..checkpoint.architectures import ARCHITECTURES
from ..errors import InputError

SAME_WIDTH = (None, 'GlobalAveragePooling', 'ClsBatchNormNeck', 'Feature2Pyramid')  # necks that keep it
MAPS, CLASS_TOKEN, PREFIX = 'featmap', 'featmap+cls_token', 'featmap+prefix'  # the backbone's out_type
# Head of a segmentor -> what it reads; others read maps.
READ = {'DPTHead': (CLASS_TOKEN, ), 'LinearHead': (MAPS, CLASS_TOKEN), 'MaskHead': (MAPS, PREFIX)}


def check_shapes(cfg: Config) -> None:
    """Compare what the backbone gives with what the parts after it take, as far as it is ours.

    Raises:
        ValueError: with the setting that does not fit.
    """
    model = cfg.model.get('module') or cfg.model
    preprocessor = model.get('data_preprocessor') or {}
    if preprocessor.get('type') in ('SegDataPreProcessor', 'mae_mm.SegPreprocessor') and not (
            preprocessor.get('size') or preprocessor.get('size_divisor')):
        raise InputError('model.data_preprocessor.size is None, and so is size_divisor: batches need one of them')
    backbone: Any = model.get('backbone') or ConfigDict()
    neck: Any = model.get('neck') or ConfigDict()
    width = backbone.get('embed_dims') or ARCHITECTURES.get(str(backbone.get('arch')), {}).get('embed_dims')
    if backbone.get('type') != 'mae_mm.MAE' or not isinstance(neck, dict) or neck.get('type') not in SAME_WIDTH:
        return
    given = backbone.get('out_indices', -1)
    outputs = len(given) if isinstance(given, (list, tuple)) else 1
    if neck.get('type') == 'Feature2Pyramid':
        _compare('model.neck.embed_dim', neck.get('embed_dim'), width, f'is {width} wide')
        rescales = neck.get('rescales')
        if rescales is not None and len(rescales) != outputs:
            raise InputError(f'model.neck.rescales={rescales} are for {len(rescales)} maps, and '
                             f'model.backbone.out_indices={given} gives {outputs}')
    if outputs > 1 and len(set(given)) < outputs:
        raise InputError(f'model.backbone.out_indices={given} names a layer twice')
    for name, head in _heads(model):
        read, out_type = READ.get(str(head.get('type')).rpartition('.')[2], (MAPS, )), backbone.get('out_type', MAPS)
        if name != 'head' and out_type not in read:
            raise InputError(f'model.backbone.out_type={out_type!r}, and model.{name} reads '
                             + ' or '.join(map(repr, read)))
        places = head.get('in_index', -1)
        places = places if isinstance(places, (list, tuple)) else [places]
        wrong = [place for place in places if not isinstance(place, int) or not -outputs <= place < outputs]
        if wrong:
            raise InputError(f'model.{name}.in_index={head.in_index}: there is no map {wrong[0]}, as '
                             f'model.backbone.out_indices={given} gives {outputs}')
        channels = head.get('in_channels')
        several = isinstance(channels, (list, tuple))
        if several and len(channels) != len(places):
            raise InputError(f'model.{name}.in_channels={channels} are {len(channels)}, and in_index={places}')
        if head.get('type') == 'mae_mm.LinearHead':  # all that is handed out
            given = width and width * outputs * (1 + (backbone.get('out_type') == CLASS_TOKEN))
            _compare(f'model.{name}.in_channels', channels, given, f'gives {given} channels')
            continue
        for value in channels if several else [channels]:
            _compare(f'model.{name}.in_channels', value, width, f'is {width} wide')


def _heads(model: ConfigDict) -> Iterator[tuple[str, ConfigDict]]:
    for name in ('head', 'decode_head', 'auxiliary_head'):
        head = model.get(name)
        if isinstance(head, dict):
            yield name, head


def _compare(path: str, value: Any, width: int | None, told: str) -> None:
    if value is not None and width is not None and value != width:
        raise InputError(f'{path}={value}, and the backbone {told} (model.backbone.embed_dims or arch)')
