"""Sizes of Vision Transformers by name."""
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
