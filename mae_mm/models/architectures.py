"""Sizes of Vision Transformers by name."""
from collections.abc import Sequence
from numbers import Integral
from typing import Any

from ..checkpoint.architectures import ARCHITECTURES
from ..errors import InputError


def sizes_of(arch: str | None, given: dict[str, Any]) -> dict[str, Any]:
    """The four sizes of an ``arch``, or those that are ``given`` (the others as in ``'base'``).

    Raises:
        ValueError: an unknown ``arch``, or sizes given beside one.
    """
    chosen = {name: size for name, size in given.items() if size is not None}
    if arch is None:
        return {**ARCHITECTURES['base'], **chosen}
    if arch not in ARCHITECTURES:
        raise InputError(f'arch={arch!r} is not one of {", ".join(ARCHITECTURES)}')
    if chosen:
        raise InputError(f'arch={arch!r} sets all sizes, so {", ".join(f"{k}={v}" for k, v in chosen.items())} '
                         'would have no effect; give arch alone, or arch=None with the sizes')
    return ARCHITECTURES[arch]


def sides_of(img_size: int | Sequence[int]) -> tuple[int, int]:
    """``(height, width)`` of a side or of both.

    Raises:
        ValueError: neither one nor two whole numbers from 1 on.
    """
    sides = tuple(img_size) if isinstance(img_size, (list, tuple)) else (img_size, img_size)
    if len(sides) != 2 or not all(isinstance(side, Integral) and int(side) > 0 for side in sides):
        raise InputError(f'img_size={img_size!r} is neither a side in pixels nor (height, width)')
    return int(sides[0]), int(sides[1])


def rising_rates(highest: float, num_layers: int) -> list[float]:
    """Rates of stochastic depth, from 0 at the first layer to the highest at the last.

    Raises:
        ValueError: a rate that is not from 0 to 1.
    """
    if not 0 <= highest < 1:
        raise InputError(f'drop_path_rate={highest} is not from 0 up to 1')
    return [highest * i / max(num_layers - 1, 1) for i in range(num_layers)]


def checked_prefix(num_cls_tokens: int, num_registers: int) -> tuple[int, int]:
    """The numbers of class tokens and of registers; ``ValueError`` if they are no such numbers."""
    for name, number, least in (('num_cls_tokens', num_cls_tokens, 1), ('num_registers', num_registers, 0)):
        if type(number) is not int or number < least:
            raise InputError(f'{name}={number!r} is not a whole number from {least} on')
    return num_cls_tokens, num_registers
