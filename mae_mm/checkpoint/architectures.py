"""Sizes of Vision Transformers by name."""
from collections.abc import Mapping

from torch import Tensor

ARCHITECTURES = {
    'tiny': dict(embed_dims=192, num_layers=12, num_heads=3, mlp_ratio=4),
    'small': dict(embed_dims=384, num_layers=12, num_heads=6, mlp_ratio=4),
    'base': dict(embed_dims=768, num_layers=12, num_heads=12, mlp_ratio=4),
    'large': dict(embed_dims=1024, num_layers=24, num_heads=16, mlp_ratio=4),
    'huge': dict(embed_dims=1280, num_layers=32, num_heads=16, mlp_ratio=4),
    '1b': dict(embed_dims=1536, num_layers=48, num_heads=24, mlp_ratio=4),  # Pixio's (arXiv:2512.15715)
    '5b': dict(embed_dims=3072, num_layers=48, num_heads=32, mlp_ratio=4),
}


def arch_of(embed_dims: int, num_layers: int) -> str | None:
    """The name of these sizes, which weights tell; None if they have none."""
    return next((name for name, sizes in ARCHITECTURES.items()
                 if (sizes['embed_dims'], sizes['num_layers']) == (embed_dims, num_layers)), None)


def advice(weights: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> str:
    """Why weights do not fit a model, as far as it is its size, and what to do; in our names."""
    theirs, own = _sizes(weights), _sizes(state)
    parts = [setting for setting in _settings(weights) if setting not in _settings(state)]
    if theirs is None or own is None or theirs == own and not parts:
        return 'Use the config that the checkpoint was made with'
    arch = arch_of(*theirs[:2])
    told = f'a ViT-{arch}' if arch else f'of width {theirs[0]} and {theirs[1]} layers'
    settings = [f'arch={arch}'] if arch and theirs[:2] != own[:2] else []
    settings += [f'patch_size={theirs[2]}'] if theirs[2] != own[2] else []
    settings += parts
    return f'The encoder in the file is {told} with patches of {theirs[2]} pixels; ' + (
        f'--cfg-options {" ".join(settings)}, or the config that it was made with' if settings else
        'use the config that it was made with')


def token_settings(num_cls_tokens: int, num_registers: int, layer_scale: bool) -> list[str]:
    """The settings on the command line of what few encoders have."""
    return [f'model.backbone.{setting}' for setting, there in (
        (f'num_cls_tokens={num_cls_tokens}', num_cls_tokens > 1), (f'num_registers={num_registers}', num_registers),
        ('init_values=1e-5', layer_scale)) if there]


def _settings(weights: Mapping[str, Tensor]) -> list[str]:
    prefix = '' if 'cls_token' in weights else 'backbone.'
    found = [weights.get(prefix + name) for name in ('cls_token', 'register_tokens')]
    cls, registers = (0 if tokens is None or tokens.dim() != 3 else tokens.shape[1] for tokens in found)
    return token_settings(cls, registers, f'{prefix}layers.0.gamma_1' in weights)


def _sizes(weights: Mapping[str, Tensor]) -> tuple[int, int, int] | None:
    """Width, number of layers and side of a patch of an encoder, by itself or in a model."""
    prefix = '' if 'cls_token' in weights else 'backbone.'
    token, projection = (weights.get(prefix + name) for name in ('cls_token', 'patch_embed.projection.weight'))
    if token is None or projection is None or not token.dim() or not projection.dim():
        return None
    layers = [name for name in weights if name.startswith(f'{prefix}layers.') and name.endswith('.attn.qkv.weight')]
    return token.shape[-1], len(layers), projection.shape[-1]
