"""Which samples a probe is trained on: all, a few of each class, or a share; and which of them choose its settings."""
import math
from collections.abc import Sequence

import torch
from torch import Tensor

from ..errors import InputError

ALL = 'all'
CHOOSING = .2  # the share of the training samples that a sweep's member is chosen on


def check_shots(shots: str) -> str:
    """``'all'``, a number from 1 on, or a percentage.

    Raises:
        ValueError: anything else.
    """
    number, percent = (shots.removesuffix('%'), shots.endswith('%'))
    try:
        good = shots == ALL or (0 < float(number) <= 100 if percent else int(number) > 0)
    except ValueError:
        good = False
    if not good:
        raise InputError(f'--shots {shots}: {ALL}, a number of images of each class such as 10, or a share such '
                         'as 10%')
    return shots


def draw(labels: Tensor, shots: str, seed: int, names: Sequence[str] = ()) -> Tensor:
    """Places of the samples that are used, sorted: so many, or such a share (at least one), of each label.

    Raises:
        ValueError: a label with fewer samples.
    """
    if shots == ALL:
        return torch.arange(len(labels))
    order = torch.Generator().manual_seed(seed)
    chosen = []
    for label in labels.unique().tolist():
        places = (labels == label).nonzero().flatten()
        count = math.ceil(float(shots[:-1]) / 100 * len(places)) if shots.endswith('%') else int(shots)
        if count > len(places):
            what = f'class {names[label]}' if names else 'the training set'
            raise InputError(f'--shots {shots}: {what} has {len(places)} images; use at most that many')
        chosen.append(places[torch.randperm(len(places), generator=order)[:count]])
    return torch.cat(chosen).sort().values


def split(labels: Tensor, seed: int) -> tuple[Tensor, Tensor]:
    """Places of the samples to fit on and of those to choose by, a share of each label.

    Of a label with one sample none is for choosing.
    """
    order = torch.Generator().manual_seed(seed)
    choosing = torch.zeros(len(labels), dtype=torch.bool)
    for label in labels.unique():
        places = (labels == label).nonzero().flatten()
        count = min(max(1, round(CHOOSING * len(places))), len(places) - 1)
        choosing[places[torch.randperm(len(places), generator=order)[:count]]] = True
    return (~choosing).nonzero().flatten(), choosing.nonzero().flatten()
