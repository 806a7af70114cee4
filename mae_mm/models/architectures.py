"""Sizes of Vision Transformers by name."""
from typing import Any

from ..errors import InputError

ARCHITECTURES = {
    'tiny': dict(embed_dims=192, num_layers=12, num_heads=3, mlp_ratio=4),
    'small': dict(embed_dims=384, num_layers=12, num_heads=6, mlp_ratio=4),
    'base': dict(embed_dims=768, num_layers=12, num_heads=12, mlp_ratio=4),
    'large': dict(embed_dims=1024, num_layers=24, num_heads=16, mlp_ratio=4),
    'huge': dict(embed_dims=1280, num_layers=32, num_heads=16, mlp_ratio=4),
}


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
        raise InputError(f'arch={arch!r} says all sizes, and {", ".join(f"{k}={v}" for k, v in chosen.items())} '
                         'beside it would have no effect; give arch alone, or arch=None with the sizes')
    return ARCHITECTURES[arch]
