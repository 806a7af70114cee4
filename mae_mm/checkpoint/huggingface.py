"""Hugging Face's files: safetensors, and folders of a ``config.json`` and weights."""
import json
import os
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from ..errors import InputError
from .describing import Description

CONFIG = 'config.json'
WEIGHTS = ('model.safetensors', 'pytorch_model.bin')
OWN_METADATA = 'mae_mm'  # in a safetensors file of ours: what torch keeps as a state dict's ``_metadata``


def read_safetensors(path: str) -> 'OrderedDict[str, Tensor]':
    """The tensors of a file; ``ValueError`` if it is none or a damaged one."""
    try:
        with safe_open(path, framework='pt') as file:
            tensors = OrderedDict((name, file.get_tensor(name)) for name in file.keys())
            metadata = json.loads((file.metadata() or {}).get(OWN_METADATA, '{}'))
    except (SafetensorError, OSError, ValueError, RuntimeError, MemoryError, AttributeError, TypeError,
            RecursionError) as error:
        raise InputError(f'{path} is not a safetensors file, or is damaged') from error
    tensors._metadata = metadata  # type: ignore[attr-defined]
    return tensors


def safetensors_bytes(state_dict: Mapping[str, Tensor]) -> bytes:
    """A safetensors file of a state dict and what it tells of its modules."""
    told = {key: {fact: facts[fact] for fact in ('grid', 'num_heads') if fact in facts}
            for key, facts in getattr(state_dict, '_metadata', {}).items()}
    metadata = {'format': 'pt'}
    if any(told.values()):
        metadata[OWN_METADATA] = json.dumps({key: facts for key, facts in told.items() if facts})
    # clones, as two names may share their memory
    return save({name: tensor.contiguous().clone() for name, tensor in state_dict.items()}, metadata)


def weights_of_folder(folder: str) -> str:
    """The path of the weights in a folder; ``ValueError`` if it lacks them or its config."""
    paths = [path for path in (os.path.join(folder, name) for name in WEIGHTS) if os.path.isfile(path)]
    if not paths or not os.path.isfile(os.path.join(folder, CONFIG)):
        raise InputError(f'{folder} is not a model folder: it needs {CONFIG} and {" or ".join(WEIGHTS)}')
    return paths[0]


def read_config(folder: str) -> dict[str, dict[str, Any]]:
    """What a folder's config tells of encoder and decoder (grid, heads), as a state dict's ``_metadata`` does.

    Raises:
        ValueError: the config is damaged.
    """
    path = os.path.join(folder, CONFIG)
    told: dict[str, dict[str, Any]] = {'backbone': {}, 'decoder': {}}
    try:
        with open(path, encoding='utf-8') as file:
            config = json.load(file)
        for part, heads in (('backbone', 'num_attention_heads'), ('decoder', 'decoder_num_attention_heads')):
            if heads in config:
                told[part]['num_heads'] = int(config[heads])
            if 'image_size' in config and 'patch_size' in config:
                sides = zip(_pair(config['image_size']), _pair(config['patch_size']), strict=True)
                told[part]['grid'] = tuple(side // patch for side, patch in sides)
    except (ValueError, TypeError, ArithmeticError, OSError, RecursionError) as error:
        raise InputError(f'{path} is not a model\'s config, or is damaged') from error
    return told


def _pair(size: Any) -> tuple[int, int]:
    height, width = size if isinstance(size, list) else (size, size)
    return int(height), int(width)


def config_of(model: Description) -> dict[str, Any]:
    """The ``config.json`` with which transformers builds the model that weights belong to.

    Raises:
        ValueError: no last normalisation, or it cannot be told how many heads attend or what the grid is.
    """
    def size(grid: tuple[int, int]) -> int | list[int]:
        height, width = (side * model.patch_size for side in grid)
        return height if height == width else [height, width]

    backbone, decoder = model.backbone, model.decoder
    if not model.final_norm:
        raise InputError("Hugging Face's models end with a normalisation, and these weights have none (backbone.ln1)")
    if backbone.grid is None:
        raise InputError('the file does not store the grid of patches; give it with --grid HEIGHT WIDTH')
    if backbone.num_heads is None or (decoder and decoder.num_heads is None):
        raise InputError('the file does not store the number of attention heads; give it with --num-heads and '
                         '--decoder-num-heads')
    config: dict[str, Any] = dict(
        architectures=['ViTForImageClassification' if model.num_classes else
                       'ViTMAEForPreTraining' if decoder else 'ViTMAEModel'],
        model_type='vit' if model.num_classes else 'vit_mae',
        hidden_size=backbone.embed_dims, num_hidden_layers=backbone.num_layers,
        num_attention_heads=backbone.num_heads, intermediate_size=backbone.hidden_dims, hidden_act='gelu',
        layer_norm_eps=1e-6, qkv_bias=True, image_size=size(backbone.grid), patch_size=model.patch_size,
        num_channels=model.in_channels)
    if model.num_classes:
        config['id2label'] = {str(i): f'LABEL_{i}' for i in range(model.num_classes)}
        config['label2id'] = {f'LABEL_{i}': i for i in range(model.num_classes)}
    if decoder:
        config.update(decoder_hidden_size=decoder.embed_dims, decoder_num_hidden_layers=decoder.num_layers,
                      decoder_num_attention_heads=decoder.num_heads, decoder_intermediate_size=decoder.hidden_dims)
    return config
