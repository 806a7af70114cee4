"""The formats that weights come in, as data: a signature to recognise each, and a table of renames.

Our own names are the published ones of mmsegmentation's MAE (``patch_embed.projection``, ``layers.N.ln1``, ...).
"""
import re
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ..errors import InputError

# (pattern, replacement): the first pattern that matches a whole key renames it; None drops it.
Renames = list[tuple[str, str | None]]

# facebookresearch/mae (models_mae.py, models_vit.py) and microsoft/unilm's BEiT (modeling_pretrain.py,
# modeling_finetune.py), encoder only.
OFFICIAL: Renames = [
    (r'(cls_token|pos_embed)', r'\1'),
    (r'patch_embed\.proj\.(.+)', r'patch_embed.projection.\1'),
    (r'blocks\.(\d+)\.norm([12])\.(.+)', r'layers.\1.ln\2.\3'),
    (r'blocks\.(\d+)\.mlp\.fc1\.(.+)', r'layers.\1.ffn.layers.0.0.\2'),
    (r'blocks\.(\d+)\.mlp\.fc2\.(.+)', r'layers.\1.ffn.layers.1.\2'),
    (r'blocks\.(\d+)\.(attn\.(?:qkv|proj)\..+|attn\.relative_position_bias_table|gamma_[12])', r'layers.\1.\2'),
    (r'norm\.(.+)', r'ln1.\1'),
    (r'(.+\.)?relative_position_index', None),  # follows from the grid
    (r'mask_token|decoder_.+', None),  # the decoder of pre-training
    (r'(head|fc_norm|lm_head)\..+', None),  # classifiers, and BEiT's prediction of visual tokens
]

# Ours, and mmsegmentation's: an encoder by itself or inside a segmentor.
OURS: Renames = [
    (r'((?:backbone\.)?)patch_embed\.proj\.(.+)', None),  # mmseg's beit2mmseg wrote it under both names
    (r'(.+\.)?relative_position_index', None),
    (r'(.+)', r'\1'),
]

# Format -> keys that a file of it has, in the order in which they are tried.
SIGNATURES: dict[str, tuple[str, ...]] = {
    'beit': ('patch_embed.proj.weight', 'blocks.0.norm1.weight', 'blocks.0.attn.qkv.weight', 'blocks.0.gamma_1'),
    'mae': ('patch_embed.proj.weight', 'blocks.0.norm1.weight', 'blocks.0.attn.qkv.weight', 'pos_embed'),
    'mae_mm': ('patch_embed.projection.weight', 'layers.0.ln1.weight', 'layers.0.attn.qkv.weight', 'cls_token'),
}
RENAMES: dict[str, Renames] = {'beit': OFFICIAL, 'mae': OFFICIAL, 'mae_mm': OURS}


def recognise(state_dict: Mapping[str, Tensor]) -> str:
    """The format of a state dict, a key of ``RENAMES``.

    Raises:
        ValueError: none of the known formats has such names.
    """
    keys = {key.removeprefix('backbone.') for key in state_dict}
    for name, signature in SIGNATURES.items():
        if keys.issuperset(signature):
            return name
    examples = ', '.join(list(state_dict)[:3]) or 'none at all'
    raise InputError(f'weights of an unknown format (tensors such as {examples}); known are {", ".join(RENAMES)}')


@dataclass
class Conversion:
    """Weights in our names, and what became of the names that they came with."""
    format: str
    weights: 'OrderedDict[str, Tensor]' = field(default_factory=OrderedDict)
    renamed: int = 0
    kept: int = 0
    dropped: list[str] = field(default_factory=list)


def convert(state_dict: Mapping[str, Tensor]) -> Conversion:
    """Weights of any known format in our names.

    Raises:
        ValueError: an unknown format, or a tensor that the format's table does not have.
    """
    done = Conversion(recognise(state_dict))
    if hasattr(state_dict, '_metadata'):
        done.weights._metadata = state_dict._metadata  # type: ignore[attr-defined]
    if done.format == 'beit':
        state_dict = _unfold_beit(state_dict)
    unknown = []
    for key, tensor in state_dict.items():
        known, name = _rename(key, RENAMES[done.format])
        if not known:
            unknown.append(key)
        elif name is None:
            done.dropped.append(key)
        else:
            done.weights[name] = tensor
            done.renamed += name != key
            done.kept += name == key
    if unknown:
        raise InputError(f'a {done.format} file with {len(unknown)} tensors that this format does not have: '
                         f'{", ".join(unknown[:3])}')
    return done


def _rename(key: str, renames: Renames) -> tuple[bool, str | None]:
    """Whether a table has a key, and its new name, None for one to drop."""
    for pattern, replacement in renames:
        match = re.fullmatch(pattern, key)
        if match:
            return True, None if replacement is None else match.expand(replacement)
    return False, None


def _unfold_beit(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """BEiT's weights with what a plain ViT keeps explicitly.

    The biases of q and v (k has none, and none of k's would change a softmax) become one of qkv; a bias table
    that all layers share becomes one for each; absent position embeddings become zeros.
    """
    weights = dict(state_dict)
    depth = sum(bool(re.fullmatch(r'blocks\.\d+\.norm1\.weight', key)) for key in weights)
    shared = weights.pop('rel_pos_bias.relative_position_bias_table', None)
    for layer in range(depth):
        attn = f'blocks.{layer}.attn'
        if f'{attn}.q_bias' in weights:
            q, v = weights.pop(f'{attn}.q_bias'), weights.pop(f'{attn}.v_bias')
            weights[f'{attn}.qkv.bias'] = torch.cat([q, torch.zeros_like(q), v])
        if shared is not None:
            weights[f'{attn}.relative_position_bias_table'] = shared.clone()
    table = weights.get('blocks.0.attn.relative_position_bias_table')
    if 'pos_embed' not in weights and table is not None:
        side = (int((len(table) - 3)**.5) + 1) // 2  # BEiT is square: (2 * side - 1)^2 + 3 rows
        weights['pos_embed'] = weights['cls_token'].new_zeros(1, 1 + side * side, weights['cls_token'].shape[-1])
    return weights
