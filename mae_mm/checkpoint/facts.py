"""What a file tells of its modules that its weights do not: the ``_metadata`` of a state dict."""
from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor

from ..errors import InputError
from .grids import POS_RESIZE, decide_grid, taken_again

NORM_EPS = 1e-6  # of the layer norms, where a file does not tell
FACTS: dict[str, Callable[[Any], bool]] = {
    'version': lambda value: isinstance(value, int),
    'grid': lambda value: isinstance(value, (list, tuple)) and [type(side) for side in value] == [int, int],
    'num_heads': lambda value: type(value) is int and value > 0,
    'norm_eps': lambda value: isinstance(value, float) and 0 < value < 1,
    'norm_pix': lambda value: isinstance(value, bool),
    'pos_resize': lambda value: value in POS_RESIZE,
    'padded': lambda value: isinstance(value, bool),  # class tokens' positions are zeros that the file did not have
}
STORED = tuple(fact for fact in FACTS if fact != 'version')  # those that are ours
Told = dict[str, dict[str, Any]]


def told_by(state_dict: Mapping[str, Tensor]) -> Told:
    """What a state dict's ``_metadata`` tells of its modules, as far as it makes sense."""
    metadata = getattr(state_dict, '_metadata', None)
    return {key: {fact: value for fact, value in facts.items() if fact in FACTS and FACTS[fact](value)}
            for key, facts in (metadata if isinstance(metadata, dict) else {}).items()
            if isinstance(key, str) and isinstance(facts, dict)}


def add_facts(weights: Mapping[str, Tensor], grid: tuple[int, int] | None = None, num_heads: int | None = None,
              decoder_num_heads: int | None = None, norm_pix: bool | None = None) -> None:
    """Tell of weights in our names, in place, what their file does not.

    Raises:
        ValueError: what cannot be, or what contradicts the file; with the name that the command line has for it.
    """
    metadata = told_by(weights)
    bare = 'cls_token' in weights
    prefix = '' if bare else 'backbone.'
    encoder = metadata.setdefault('' if bare else 'backbone', {})
    positions = weights[f'{prefix}pos_embed']
    if grid is not None:
        again = taken_again(positions, weights[f'{prefix}cls_token'].shape[1], grid, encoder.pop('padded', False))
        if again is not None:
            weights[f'{prefix}pos_embed'] = positions = again  # type: ignore[index]
        rows = {len(tensor) for name, tensor in weights.items() if name.endswith('relative_position_bias_table')}
        try:
            decide_grid(positions.shape[1] - weights[f'{prefix}cls_token'].shape[1], rows, grid, grid)
        except InputError as error:
            raise InputError(f'--grid {grid[0]} {grid[1]}: {error}') from None
        for part in (encoder, *([metadata.setdefault('decoder', {})] if 'decoder.pos_embed' in weights else ())):
            _add(part, 'grid', grid, '--grid')
    if num_heads is not None:
        table = weights.get(f'{prefix}layers.0.attn.relative_position_bias_table')
        if table is not None:
            encoder.setdefault('num_heads', table.shape[1])
        _add_heads(encoder, num_heads, positions.shape[2], '--num-heads')
    if 'decoder.pos_embed' in weights:
        if decoder_num_heads is not None:
            width = weights['decoder.pos_embed'].shape[2]
            _add_heads(metadata.setdefault('decoder', {}), decoder_num_heads, width, '--decoder-num-heads')
        if norm_pix is not None:
            _add(metadata.setdefault('', {}), 'norm_pix', norm_pix, '--norm-pix')
    elif decoder_num_heads is not None or norm_pix is not None:
        option = '--norm-pix' if decoder_num_heads is None else '--decoder-num-heads'
        raise InputError(f'{option}: there is no decoder')
    weights._metadata = metadata  # type: ignore[attr-defined]


def _add_heads(facts: dict[str, Any], number: int, width: int, option: str) -> None:
    if number < 1 or width % number:
        raise InputError(f'{option} {number}: a width of {width} cannot be divided among that many heads')
    _add(facts, 'num_heads', number, option)


def _add(facts: dict[str, Any], name: str, value: Any, option: str) -> None:
    told = facts.setdefault(name, value)
    if (list(told) if name == 'grid' else told) != (list(value) if name == 'grid' else value):
        raise InputError(f'{option}: the file tells otherwise, {_text(told)}')


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return 'yes' if value else 'no'
    return ' '.join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
