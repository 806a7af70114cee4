"""What weights in our names are weights of."""
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from ..errors import InputError
from .grids import Grid, square

# Weights do not tell the number of attention heads. Width of a published encoder or decoder -> its heads.
HEADS = {'backbone': {384: 6, 768: 12, 1024: 16, 1280: 16, 1536: 24, 3072: 32}, 'decoder': {512: 16}}


@dataclass
class Transformer:
    """An encoder or a decoder; ``num_heads``, ``grid`` and ``norm_eps`` are None if they are unknown."""
    embed_dims: int
    num_layers: int
    hidden_dims: int
    num_heads: int | None
    grid: Grid | None
    norm_eps: float | None


@dataclass
class Description:
    """What a file holds: an encoder, and perhaps a decoder, a classifier of so many classes, and other parts."""
    backbone: Transformer
    patch_size: int
    in_channels: int
    rel_pos_bias: bool
    layer_scale: bool
    final_norm: bool
    pooled: bool  # a norm of the mean of the patches
    num_cls_tokens: int
    num_registers: int
    decoder: Transformer | None
    norm_pix: bool | None  # the decoder predicts normalised patches; None if it is unknown
    num_classes: int | None
    num_labels: int | None  # classes of a segmentor's convolution
    heads: list[str]
    decode_head: str | None  # a segmentor's: a key of DECODE_HEADS
    queries: tuple[int, int, int] | None  # of a head of masks: their number, the layers that see them, doublings


# A segmentor's head -> a name that it alone has.
DECODE_HEADS = {'mask_decoder': 'project.weight', 'mask': 'queries', 'segmenter': 'cls_emb',
                'dpt': 'reassemble_blocks.projects.0.conv.weight', 'linear': 'norm.weight',
                'upernet': 'psp_modules.0.1.conv.weight'}


def describe(weights: Mapping[str, Tensor]) -> Description:
    """Look at weights in our names, those of a backbone alone or of more.

    Raises:
        ValueError: a part of an encoder or decoder is not there.
    """
    bare = 'cls_token' in weights
    full = {f'backbone.{name}': tensor for name, tensor in weights.items()} if bare else dict(weights)
    told = getattr(weights, '_metadata', {})
    try:
        projection = full['backbone.patch_embed.projection.weight']
        _, in_channels, patch_size, _ = projection.shape
        backbone = _transformer(full, 'backbone', told.get('' if bare else 'backbone', {}))
        decoder = _transformer(full, 'decoder', told.get('decoder', {})) if 'decoder.pred.weight' in full else None
    except (KeyError, ValueError, IndexError) as error:
        raise InputError(f'an incomplete encoder or decoder: {error}') from None
    head, labels = full.get('head.fc.weight'), _labels(full)
    return Description(
        backbone, patch_size, in_channels,
        rel_pos_bias='backbone.layers.0.attn.relative_position_bias_table' in full,
        layer_scale='backbone.layers.0.gamma_1' in full,
        final_norm='backbone.ln1.weight' in full,
        pooled='backbone.fc_norm.weight' in full,
        num_cls_tokens=full['backbone.cls_token'].shape[1],
        num_registers=full['backbone.register_tokens'].shape[1] if 'backbone.register_tokens' in full else 0,
        decoder=decoder,
        norm_pix=told.get('', {}).get('norm_pix'),
        num_classes=None if head is None else len(head),
        num_labels=labels,
        heads=sorted({name.split('.')[0] for name in full} - {'backbone', 'decoder', 'head'}),
        decode_head=next((kind for kind, name in DECODE_HEADS.items() if f'decode_head.{name}' in full), None),
        queries=_queries(full))


def _labels(weights: Mapping[str, Tensor]) -> int | None:
    """The number of a segmentor's classes."""
    for name, dim, more in (('conv_seg.weight', 0, 0), ('cls_emb', 1, 0), ('classify.weight', 0, 1)):  # 1: no object
        tensor = weights.get(f'decode_head.{name}')
        if tensor is not None and tensor.dim() > dim:
            return tensor.shape[dim] - more
    return None


def _queries(weights: Mapping[str, Tensor]) -> tuple[int, int, int] | None:
    queries, shares = weights.get('decode_head.queries'), weights.get('decode_head.masked_shares')
    if queries is None or shares is None:
        return None
    doublings = sum(bool(re.fullmatch(r'decode_head\.upscale\.\d+\.conv1\.weight', name)) for name in weights)
    return len(queries), shares.numel(), doublings


def _transformer(weights: Mapping[str, Tensor], part: str, told: Mapping[str, Any]) -> Transformer:
    num_layers = sum(bool(re.fullmatch(rf'{part}\.layers\.\d+\.ln1\.weight', name)) for name in weights)
    width = weights[f'{part}.pos_embed'].shape[2]
    table = weights.get(f'{part}.layers.0.attn.relative_position_bias_table')
    num_heads = HEADS[part].get(width) if table is None else table.shape[1]
    grid = told.get('grid') or square(weights[f'{part}.pos_embed'].shape[1] - weights['backbone.cls_token'].shape[1])
    return Transformer(width, num_layers, len(weights[f'{part}.layers.0.ffn.layers.0.0.weight']),
                       told.get('num_heads') or num_heads, tuple(grid) if grid else None, told.get('norm_eps'))


def encoder_settings(model: Description) -> dict[str, Any]:
    """The arguments with which ``MAE`` is the encoder of a file that tells its grid; heads may be None."""
    part = model.backbone
    return dict(
        img_size=tuple(side * model.patch_size for side in part.grid or ()), patch_size=model.patch_size,
        in_channels=model.in_channels, rel_pos_bias=model.rel_pos_bias,
        init_values=1. if model.layer_scale else None, final_norm=model.final_norm or model.pooled,
        num_cls_tokens=model.num_cls_tokens, num_registers=model.num_registers, **layer_settings(part))


def layer_settings(part: Transformer) -> dict[str, Any]:
    """The sizes of an encoder or a decoder as arguments."""
    return dict(embed_dims=part.embed_dims, num_layers=part.num_layers, num_heads=part.num_heads,
                mlp_ratio=part.hidden_dims / part.embed_dims)
