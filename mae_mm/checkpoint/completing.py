"""What formats leave out, fold into each other or split, where ours keeps it as it is computed.

Letters in shapes: C width, T class tokens, R registers, n positions of a file.
"""
import math
import re
from collections import OrderedDict

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import InputError
from .grids import Grid, bias_table_rows, square

ABSURD_PATCHES = 2**16  # more than any image of this field has


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


def complete_beit(weights: 'OrderedDict[str, Tensor]', grid: Grid | None) -> None:
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


def complete_tokens(weights: 'OrderedDict[str, Tensor]', grid: Grid | None) -> bool:
    """Give every class token a position, and no register one, in place; True if they are zeros that were added.

    Registers of an encoder without a class token are the tokens that its last layer ends with: they become class
    tokens. Positions of patches alone get zeros for the class tokens; those of registers become part of these.
    """
    registers = weights.get('backbone.register_tokens')
    if registers is not None and 'backbone.cls_token' not in weights:
        weights['backbone.cls_token'] = weights.pop('backbone.register_tokens')
        registers = None
    cls, positions = weights.get('backbone.cls_token'), weights.get('backbone.pos_embed')
    if cls is None or positions is None:
        return False
    T, R, n = cls.shape[1], 0 if registers is None else registers.shape[1], positions.shape[1]
    if square(n - T) or (grid is not None and math.prod(grid) == n - T):
        return False
    if square(n):
        weights['backbone.pos_embed'] = torch.cat([positions.new_zeros(1, T, positions.shape[2]), positions], dim=1)
        return True
    if registers is not None and n > T + R and square(n - T - R):
        own, of_registers, patches = positions.split([T, R, n - T - R], dim=1)
        weights['backbone.register_tokens'] = registers + of_registers
        weights['backbone.pos_embed'] = torch.cat([own, patches], dim=1)
    return False


def fold_class_positions(weights: 'OrderedDict[str, Tensor]') -> None:
    """Make the class token's position part of it, in place, as timm and EoMT keep it."""
    positions = weights['backbone.pos_embed']
    weights['backbone.cls_token'] = weights['backbone.cls_token'] + positions[:, :1]
    weights['backbone.pos_embed'] = positions[:, 1:]


def complete_eomt(weights: 'OrderedDict[str, Tensor]') -> None:
    """Give transformers' EoMT a class token's position, zeros, and leave out registers that are none; in place."""
    positions = weights.get('backbone.pos_embed')
    if positions is not None and positions.dim() == 2:
        weights['backbone.pos_embed'] = F.pad(positions[None], (0, 0, 1, 0))
    registers = weights.get('backbone.register_tokens')
    if registers is not None and not registers.numel():
        del weights['backbone.register_tokens']


def shorten_eomt(weights: 'OrderedDict[str, Tensor]') -> None:
    """The inverse of :func:`complete_eomt`."""
    fold_class_positions(weights)
    positions = weights['backbone.pos_embed'][0]
    weights['backbone.pos_embed'] = positions
    weights.setdefault('backbone.register_tokens', positions.new_zeros(1, 0, positions.shape[1]))
