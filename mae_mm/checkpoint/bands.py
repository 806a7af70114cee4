"""A checkpoint of images of some bands into a model for others, by a rule of its config.

Letters in shapes: E width of the encoder, D of the decoder, p side of a patch, C bands.
"""
import re
from collections import OrderedDict
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from ..errors import InputError

Rule = Sequence[int | None]
PROJECTION = re.compile(r'(.+\.)?patch_embed\.projection\.weight')  # E C p p
PREDICTION = re.compile(r'(.+\.)?decoder\.pred\.(weight|bias)')  # p*p*C D, and p*p*C: channels last


def take_bands(weights: Mapping[str, Tensor], rule: Rule | None, number: int) -> 'OrderedDict[str, Tensor]':
    """Weights for images of ``number`` bands.

    Entry i of the rule is the band of the checkpoint whose weights band i starts from, as they are; None is for a
    new one, which starts from the mean of the weights of the checkpoint's bands. Nothing is scaled: where the new
    bands are at their mean over the data, which is 0 to the encoder, its tokens are those of the bands that were
    copied. The patch embedding follows the rule, and so does the last layer of a pixel decoder.

    Raises:
        ValueError: other bands than the checkpoint's and no rule, or a rule that does not fit them.
    """
    name = next((name for name in weights if PROJECTION.fullmatch(name)), None)
    placed = OrderedDict(weights)
    placed._metadata = getattr(weights, '_metadata', {})  # type: ignore[attr-defined]
    if name is None or weights[name].dim() != 4:
        return placed
    theirs = weights[name].shape[1]
    if rule is None:
        if theirs != number:
            raise InputError(f'weights for images of {theirs} bands, and the model is for {number}; '
                             + _remedy(theirs, number))
        return placed
    check_rule(rule, theirs, number)
    for name, tensor in weights.items():
        if PROJECTION.fullmatch(name):
            placed[name] = _taken(tensor, rule)
        elif PREDICTION.fullmatch(name) and tensor.dim() and len(tensor) % theirs == 0:
            placed[name] = _taken(tensor.unflatten(0, (-1, theirs)), rule).flatten(0, 1)
    return placed


def _taken(tensor: Tensor, rule: Rule) -> Tensor:
    """The bands, which are axis 1, by the rule."""
    mean = tensor.mean(dim=1)
    return torch.stack([mean if band is None else tensor[:, band] for band in rule], dim=1)


def check_rule(rule: Rule, theirs: int, number: int) -> None:
    """Refuse a rule for another number of bands, or that names a band which the checkpoint does not have."""
    if len(rule) != number:
        raise InputError(f'bands={list(rule)} has {len(rule)} entries, and the images {number} bands')
    wrong = [band for band in rule if band is not None and (type(band) is not int or not 0 <= band < theirs)]
    if wrong:
        raise InputError(f'bands={list(rule)}: {wrong[0]!r} is not a band of the checkpoint, which has 0 to '
                         f'{theirs - 1}')


def told_bands(rule: Rule | None) -> str:
    """What a rule does, for the report of loading."""
    if rule is None:
        return ''
    copied = [f'{i} from {band}' for i, band in enumerate(rule) if band is not None]
    new = [str(i) for i, band in enumerate(rule) if band is None]
    return '; bands ' + ', '.join(copied + ([f'{" and ".join(new)} new, from the mean of all'] if new else []))


def _remedy(theirs: int, number: int) -> str:
    if number == 3 and theirs != 3:
        return 'images of other bands need --cfg-options statistics=FILE, which mae-mm stats DIR writes'
    rule = [i if i < theirs else None for i in range(number)]
    told = ','.join(map(str, rule)) if number > 1 else str(rule)  # a single None would be no setting
    return ('to start from it, say which of its bands each one starts from, None for a new one: --cfg-options '
            f'bands={told}')

