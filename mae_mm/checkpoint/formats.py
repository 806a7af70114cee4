"""Weights of one format in the names of another, by the tables."""
import functools
import re
from collections import OrderedDict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ..errors import InputError, listed
from .completing import (
    complete_beit,
    complete_eomt,
    complete_tokens,
    fold_class_positions,
    join_attention,
    shorten_eomt,
    split_attention,
)
from .facts import Told, told_by
from .grids import Grid, grid_of_index
from .shapes import check_plain, check_weights
from .tables import EOMT, FORMATS, HF_DINOV2, HF_PIXIO, MMPRETRAIN_CLASS_TOKEN, REFUSED, TARGETS, Format, Rows

MASK_TOKENS = {'dinov2': 'mask_token', 'huggingface': 'embeddings.mask_token'}  # of DINOv2's pre-training
DISTILLING = r'projections\..+'  # from a student's tokens to its teacher's: of the training alone
QUERIES = 'decode_head.queries'  # which a head of masks has


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
        ValueError: none of the known formats has such names, or they are of an encoder that computes something else.
    """
    for key, tensor in state_dict.items():
        if key.endswith('patch_embed.proj.weight') and tensor.dim() == 5:
            raise InputError(f'an encoder of series of images, as Prithvi, which ours is not ({listed([key])})')
        for pattern, what in REFUSED:
            if re.fullmatch(pattern, key):
                raise InputError(f'an encoder with {what}, which ours does not compute ({listed([key])})')
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
        complete_eomt(weights)
    grid = next(filter(None, (grid_of_index(state_dict[key]) for key in done.dropped
                              if key.endswith('relative_position_index'))), None)
    check_weights(weights, called)
    join_attention(weights)
    complete_beit(weights, grid)
    told = told_by(state_dict)
    bare = 'cls_token' in state_dict
    encoder = told.setdefault('' if bare else 'backbone', {})
    # Files in our own names have a position for every class token, whatever their grid.
    if FORMATS[done.format].rows and complete_tokens(weights, grid or encoder.get('grid')):
        encoder['padded'] = True
    _check_embeddings(weights)
    rule = 'antialias' if 'backbone.register_tokens' in weights else FORMATS[done.format].pos_resize
    if FORMATS[done.format].rows and rule != 'plain':
        encoder.setdefault('pos_resize', rule)
    done.weights = _with_metadata(weights, told, bare, grid)
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
    _check_kind(full, target)
    rows, left_out = _target_rows(full, target)
    if target == 'huggingface':
        split_attention(full)
        if QUERIES in full:
            shorten_eomt(full)
    if target == 'timm' and 'backbone.register_tokens' in full:
        fold_class_positions(full)
    back = tuple((ours, theirs) for theirs, ours in rows)
    done: OrderedDict[str, Tensor] = OrderedDict()
    aside: list[str] = []
    homeless: list[str] = []
    for name, tensor in full.items():
        theirs = translate(name, back)
        if theirs is not None:  # mmsegmentation initialises a backbone from a file of it alone
            done[theirs.removeprefix('backbone.') if bare and target == 'mmseg' else theirs] = tensor
        else:
            (aside if re.fullmatch(f'{left_out}|{DISTILLING}', name) else homeless).append(name)
    mask_token = MASK_TOKENS.get(target)
    if mask_token and (target == 'dinov2' or 'embeddings.register_tokens' in done):  # theirs always has one
        done[mask_token] = torch.zeros(1, full['backbone.cls_token'].shape[2])
    if homeless:
        raise InputError(f'the {target} format has no names for {len(homeless)} of the tensors: {listed(homeless)}')
    return done, aside


def _check_kind(weights: Mapping[str, Tensor], target: str) -> None:
    """Refuse an encoder of another kind than a target's are."""
    if target == 'dinov2' and 'backbone.layers.0.gamma_1' not in weights:
        raise InputError('dinov2 has encoders with layer scale (init_values), and these weights have none')
    num_cls_tokens = weights['backbone.cls_token'].shape[1]
    if num_cls_tokens > 1 and target not in ('official', 'huggingface'):
        raise InputError(f'{target} has encoders of one class token, and these weights have {num_cls_tokens}')
    if num_cls_tokens > 1 and {'backbone.register_tokens', 'backbone.layers.0.gamma_1'} & weights.keys():
        raise InputError(f'{target} has no encoders of {num_cls_tokens} class tokens with registers or layer scale')


def _target_rows(weights: Mapping[str, Tensor], target: str) -> tuple[Rows, str]:
    """The names that a target has for weights, and our names that it leaves out."""
    rows, left_out = TARGETS[target]
    if target == 'mmpretrain' and 'backbone.fc_norm.weight' not in weights:
        return MMPRETRAIN_CLASS_TOKEN + rows, left_out
    if target == 'huggingface' and QUERIES in weights:
        return EOMT, left_out
    if target == 'huggingface' and weights['backbone.cls_token'].shape[1] > 1:
        return HF_PIXIO, r'decoder\..+'
    if target == 'huggingface' and 'backbone.layers.0.gamma_1' in weights:
        return HF_DINOV2, r'decoder\..+'
    return rows, left_out
