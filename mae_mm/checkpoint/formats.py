"""Weights of one format in the names of another, by the tables."""
import functools
import math
import re
from collections import OrderedDict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import InputError, listed
from .facts import Told, told_by
from .grids import Grid, bias_table_rows, grid_of_index, square
from .shapes import check_plain, check_weights
from .tables import EOMT, FORMATS, MMPRETRAIN_CLASS_TOKEN, TARGETS, Format, Rows

QUERIES = 'decode_head.queries'  # which a head of masks has
ABSURD_PATCHES = 2**16  # more than any image of this field has


@dataclass
class Conversion:
    """Weights in our names, and what became of the file's tensors.

    ``weights`` have the names of ``MaskedAutoencoder``, of a classifier or of a segmentor if the file holds more
    than an encoder, else the backbone's own. Their ``_metadata`` holds the grid if the file stores it.
    """
    format: str
    weights: 'OrderedDict[str, Tensor]' = field(default_factory=OrderedDict)
    dropped: list[str] = field(default_factory=list)


def recognise(state_dict: Mapping[str, Tensor]) -> str:
    """The format of a state dict, a key of ``FORMATS``.

    Raises:
        ValueError: none of the known formats has such names.
    """
    for name, format_ in FORMATS.items():
        keys = {_canonical(key, format_) for key in state_dict}
        if any(keys.issuperset(signature) for signature in format_.signatures):
            return name
    raise InputError(f'weights of an unknown format (tensors such as {listed(state_dict) or "none at all"}); '
                     f'known are {", ".join(FORMATS)}')


def convert(state_dict: Mapping[str, Tensor], own: Collection[str] = ()) -> Conversion:
    """Weights of any known format in our names.

    Args:
        own: the names of a model; weights that have just these are its own, whatever its parts are.

    Raises:
        ValueError: an unknown format, a tensor that the format does not have, or weights that are not finite, no
            floating-point numbers or of shapes that do not fit each other.
    """
    check_plain(state_dict)
    _check_finite(state_dict)
    if own and state_dict.keys() == set(own):
        done = Conversion('mae_mm', OrderedDict(state_dict))
        done.weights._metadata = told_by(state_dict)  # type: ignore[attr-defined]
        return done
    done = Conversion(recognise(state_dict))
    weights, called, done.dropped = _renamed(state_dict, done.format)
    if done.format.startswith('eomt'):
        _complete_eomt(weights)
    grid = next(filter(None, (grid_of_index(state_dict[key]) for key in done.dropped
                              if key.endswith('relative_position_index'))), None)
    check_weights(weights, called)
    join_attention(weights)
    _complete_beit(weights, grid)
    _check_embeddings(weights)
    done.weights = _with_metadata(weights, told_by(state_dict), 'cls_token' in state_dict, grid)
    return done


def _renamed(state_dict: Mapping[str, Tensor], name: str
             ) -> 'tuple[OrderedDict[str, Tensor], dict[str, str], list[str]]':
    """Weights in our names, the file's name of each, and the file's names of what has no place here."""
    weights: OrderedDict[str, Tensor] = OrderedDict()
    called: dict[str, str] = {}
    dropped, unknown = [], []
    format_ = FORMATS[name]
    for key, tensor in state_dict.items():
        canonical = _canonical(key, format_)
        ours = translate(canonical, format_.rows) if format_.rows else canonical
        if any(re.fullmatch(pattern, canonical) for pattern in format_.dropped):
            dropped.append(key)
        elif ours is None:
            unknown.append(key)
        elif ours in weights:
            raise InputError(f'{called[ours]} and {key} are the same weights under two names')
        else:
            weights[ours], called[ours] = tensor, key
    if unknown:
        raise InputError(f'a {name} file with {len(unknown)} tensors that this format does not have: '
                         f'{listed(unknown)}')
    return weights, called, dropped


def translate(name: str, rows: Rows) -> str | None:
    """A name's counterpart: the left column's becomes the right one's; None if no row has it."""
    for source, target in rows:
        match = _pattern(source).fullmatch(name)
        if match:
            first, *others = re.split(r'[#*?]', target)
            return first + ''.join(value + part for value, part in zip(match.groups(), others, strict=True))
    return None


@functools.lru_cache(maxsize=1024)
def _pattern(name: str) -> re.Pattern[str]:
    groups = {'#': r'([0-9]+)', '*': '(weight|bias)', '?': '(.+)'}
    return re.compile(''.join(groups.get(character, re.escape(character)) for character in name))


def _canonical(key: str, format_: Format) -> str:
    for pattern, replacement in format_.aliases:
        key = re.sub(pattern, replacement, key)
    return key


def _check_finite(state_dict: Mapping[str, Tensor]) -> None:
    broken = [name for name, tensor in state_dict.items()
              if tensor.is_floating_point() and not torch.isfinite(tensor).all()]
    if broken:
        raise InputError(f'weights that are not finite: {listed(broken)}')


def _check_embeddings(weights: Mapping[str, Tensor]) -> None:
    """What is looked at before a model is there must be there."""
    for name in ('cls_token', 'pos_embed', 'patch_embed.projection.weight'):
        if f'backbone.{name}' not in weights:
            raise InputError(f'weights without {name}')


def join_attention(weights: 'OrderedDict[str, Tensor]') -> None:
    """Make one ``attn.qkv`` of ``attn.q``, ``attn.k`` and ``attn.v``, in place.

    BEiT's k has no bias, as none would change a softmax: it becomes zeros.
    """
    for name in [name for name in weights if re.search(r'\.attn\.q\.(weight|bias)$', name)]:
        prefix, kind = re.sub(r'\.q\.\w+$', '', name), name.rpartition('.')[2]
        q, k, v = (weights.pop(f'{prefix}.{part}.{kind}', None) for part in 'qkv')
        if q is None or v is None or q.shape != v.shape or (k is not None and k.shape != q.shape):
            raise InputError(f'{prefix}: the {kind} of q, k or v is missing or has another shape')
        weights[f'{prefix}.qkv.{kind}'] = torch.cat([q, torch.zeros_like(q) if k is None else k, v])


def split_attention(weights: 'OrderedDict[str, Tensor]') -> None:
    """The inverse of :func:`join_attention`."""
    for name in [name for name in weights if re.search(r'\.attn\.qkv\.(weight|bias)$', name)]:
        prefix, kind = name.rsplit('.qkv.', 1)
        for part, tensor in zip('qkv', weights.pop(name).chunk(3), strict=True):
            weights[f'{prefix}.{part}.{kind}'] = tensor


def _complete_beit(weights: 'OrderedDict[str, Tensor]', grid: Grid | None) -> None:
    """Give BEiT's weights what a plain ViT keeps explicitly, in place.

    A bias table that all layers share becomes one for each; absent position embeddings become zeros.
    """
    table_name = 'attn.relative_position_bias_table'
    shared = weights.pop('backbone.relative_position_bias_table', None)
    if shared is not None:
        for name in [name for name in weights if re.fullmatch(r'backbone\.layers\.[0-9]+\.ln1\.weight', name)]:
            weights[name.replace('ln1.weight', table_name)] = shared
    table = weights.get(f'backbone.layers.0.{table_name}')
    if 'backbone.pos_embed' in weights or table is None:
        return
    if grid is None:  # (2h - 1)(2w - 1) + 3 rows, of square images
        side = (math.isqrt(max(len(table) - 3, 0)) + 1) // 2
        grid = (side, side)
    if bias_table_rows(grid) != len(table) or grid[0] * grid[1] > ABSURD_PATCHES:
        raise InputError(f'relative position bias tables of {len(table)} rows, which fit no square grid, and no '
                         'position embedding that shows the grid')
    width = len(weights['backbone.layers.0.ln1.weight'])
    weights['backbone.pos_embed'] = table.new_zeros(()).expand(1, 1 + grid[0] * grid[1], width)


def _complete_eomt(weights: 'OrderedDict[str, Tensor]') -> None:
    """Give EoMT's weights a position of the class token, zeros, and leave out registers that are none; in place."""
    positions = weights.get('backbone.pos_embed')
    if positions is not None and (positions.dim() == 2 or positions.dim() == 3 and square(positions.shape[1])):
        weights['backbone.pos_embed'] = F.pad(positions.reshape(1, *positions.shape[-2:]), (0, 0, 1, 0))
    registers = weights.get('backbone.register_tokens')
    if registers is not None and not registers.numel():
        del weights['backbone.register_tokens']


def _shorten_eomt(weights: 'OrderedDict[str, Tensor]') -> None:
    """The inverse of :func:`_complete_eomt`: a class token's position becomes a part of the token."""
    positions = weights['backbone.pos_embed']
    weights['backbone.cls_token'] = weights['backbone.cls_token'] + positions[:, :1]
    weights['backbone.pos_embed'] = positions[0, 1:]
    weights.setdefault('backbone.register_tokens', positions.new_zeros(1, 0, positions.shape[2]))


def _with_metadata(weights: 'OrderedDict[str, Tensor]', told: Told, bare: bool,
                   grid: Grid | None) -> 'OrderedDict[str, Tensor]':
    """Weights with what is told of each module; without the prefix if there is nothing but a backbone.

    ``bare``: it is told of a backbone by itself.
    """
    if bare:
        told = {f'backbone.{key}'.rstrip('.'): facts for key, facts in told.items()}
    if grid is not None:
        told.setdefault('backbone', {}).setdefault('grid', grid)
    if all(name.startswith('backbone.') for name in weights):
        weights = OrderedDict((name.removeprefix('backbone.'), tensor) for name, tensor in weights.items())
        told = {key.removeprefix('backbone').removeprefix('.'): facts for key, facts in told.items()
                if key.startswith('backbone')}
    weights._metadata = told  # type: ignore[attr-defined]
    return weights


def export(weights: Mapping[str, Tensor], target: str) -> 'tuple[OrderedDict[str, Tensor], list[str]]':
    """Weights in our names as ``target`` (a key of ``TARGETS``) has them, and the names that are left out.

    Raises:
        ValueError: the target has no place for a tensor, or one is not what its name says.
    """
    bare = 'cls_token' in weights
    full = OrderedDict((f'backbone.{name}' if bare else name, tensor) for name, tensor in weights.items())
    check_plain(full)
    check_weights(full)
    rows, left_out = TARGETS[target]
    if target == 'huggingface':
        split_attention(full)
        if QUERIES in full:
            rows = EOMT
            _shorten_eomt(full)
    if target == 'mmpretrain' and 'backbone.fc_norm.weight' not in full:
        rows = MMPRETRAIN_CLASS_TOKEN + rows
    back = tuple((ours, theirs) for theirs, ours in rows)
    done: OrderedDict[str, Tensor] = OrderedDict()
    aside: list[str] = []
    homeless: list[str] = []
    for name, tensor in full.items():
        theirs = translate(name, back)
        if theirs is not None:  # mmsegmentation initialises a backbone from a file of it alone
            done[theirs.removeprefix('backbone.') if bare and target == 'mmseg' else theirs] = tensor
        else:
            (aside if re.fullmatch(left_out, name) else homeless).append(name)
    if homeless:
        raise InputError(f'the {target} format has no names for {len(homeless)} of the tensors: {listed(homeless)}')
    return done, aside
