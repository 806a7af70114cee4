"""Hugging Face's files: safetensors, and folders of a ``config.json`` and weights."""
import json
import os
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from ..errors import InputError, listed
from .describing import Description, Transformer
from .facts import NORM_EPS, STORED, Told

CONFIG = 'config.json'
WEIGHTS = ('model.safetensors', 'pytorch_model.bin')
ACTIVATIONS = ('gelu', 'gelu_python')  # one function, transformers' names of it
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
    told = {key: {fact: facts[fact] for fact in STORED if fact in facts}
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


def read_config(folder: str) -> tuple[Told, list[str] | None]:
    """What a folder's config tells of encoder and decoder, as a state dict's ``_metadata`` does, and class names.

    Raises:
        ValueError: the config is damaged, or of a model that computes something else than ours.
    """
    path = os.path.join(folder, CONFIG)
    try:
        with open(path, encoding='utf-8') as file:
            config = json.load(file)
        activation = config.get('hidden_act', ACTIVATIONS[0])
        told, names = _facts(config), _class_names(config)
    except (ValueError, TypeError, AttributeError, LookupError, ArithmeticError, OSError, RecursionError) as error:
        raise InputError(f'{path} is not a model\'s config, or is damaged') from error
    if activation not in ACTIVATIONS:
        raise InputError(f'{path}: hidden_act={listed([str(activation)])}, an activation that these models do not '
                         f'compute; they compute {ACTIVATIONS[0]}')
    return told, names


def _facts(config: dict[str, Any]) -> Told:
    told: Told = {'': {}, 'backbone': {}, 'decoder': {}}
    for part, heads in (('backbone', 'num_attention_heads'), ('decoder', 'decoder_num_attention_heads')):
        if heads in config:
            told[part]['num_heads'] = _positive(int(config[heads]))
        if 'image_size' in config and 'patch_size' in config:
            sides = zip(_pair(config['image_size']), _pair(config['patch_size']), strict=True)
            told[part]['grid'] = tuple(_positive(side // patch) for side, patch in sides)
        if 'layer_norm_eps' in config:
            told[part]['norm_eps'] = _positive(float(config['layer_norm_eps']), below=1)
    if 'norm_pix_loss' in config:
        told['']['norm_pix'] = bool(config['norm_pix_loss'])
    return told


def _class_names(config: dict[str, Any]) -> list[str] | None:
    """The names of classes in their order; None where there are none but numbers."""
    named = config.get('id2label') or {}
    names = [named[str(i)] for i in range(len(named))]
    return None if names == [f'LABEL_{i}' for i in range(len(names))] else [str(name) for name in names]


def _positive(value: Any, below: float = float('inf')) -> Any:
    if not 0 < value < below:
        raise ValueError(value)
    return value


def _pair(size: Any) -> tuple[int, int]:
    height, width = size if isinstance(size, list) else (size, size)
    return int(height), int(width)


def config_of(model: Description, class_names: Sequence[str] | None = None) -> dict[str, Any]:
    """The ``config.json`` with which transformers builds the model that weights belong to.

    Raises:
        ValueError: a model that transformers cannot build, or something that weights do not tell and nobody has told.
    """
    backbone, decoder = model.backbone, model.decoder
    eps = backbone.norm_eps or NORM_EPS
    _check_told(model, eps)
    if model.queries:
        return _eomt_config(model, eps, class_names)
    height, width = (side * model.patch_size for side in backbone.grid or ())
    architecture, model_type, own = _kind(model)
    config: dict[str, Any] = dict(
        architectures=[architecture], model_type=model_type, **_sizes(backbone), hidden_act=ACTIVATIONS[0],
        layer_norm_eps=eps, qkv_bias=True, image_size=height if height == width else [height, width],
        patch_size=model.patch_size, num_channels=model.in_channels, **own)
    if own:
        return config
    if model.num_classes:
        config |= _labels(model.num_classes, class_names)
    if decoder:
        config |= {f'decoder_{name}': size for name, size in _sizes(decoder).items()}
        config['norm_pix_loss'] = model.norm_pix
    return config


def _labels(number: int, class_names: Sequence[str] | None) -> dict[str, Any]:
    names = class_names or [f'LABEL_{i}' for i in range(number)]
    if len(names) != number:
        raise InputError(f'the file names {len(names)} classes, and its head has {number}')
    return dict(id2label={str(i): name for i, name in enumerate(names)},
                label2id={name: i for i, name in enumerate(names)})


def _eomt_config(model: Description, eps: float, class_names: Sequence[str] | None) -> dict[str, Any]:
    assert model.queries and model.num_labels and model.backbone.grid
    if not model.layer_scale or model.backbone.hidden_dims % model.backbone.embed_dims:
        raise InputError("Hugging Face's EoMT has layer scale (backbone.layers.N.gamma_1) and MLPs whose width is a "
                         'multiple of the tokens\'')
    queries, num_blocks, doublings = model.queries
    sizes = _sizes(model.backbone)
    mlp_ratio = sizes.pop('intermediate_size') // sizes['hidden_size']
    return dict(
        architectures=['EomtForUniversalSegmentation'], model_type='eomt', **sizes, mlp_ratio=mlp_ratio,
        hidden_act=ACTIVATIONS[0], layer_norm_eps=eps, image_size=model.backbone.grid[0] * model.patch_size,
        patch_size=model.patch_size, num_channels=model.in_channels,
        num_register_tokens=model.num_registers, num_queries=queries, num_blocks=num_blocks,
        num_upscale_blocks=doublings, **_labels(model.num_labels, class_names))


def _kind(model: Description) -> tuple[str, str, dict[str, Any]]:
    """Class and ``model_type`` of transformers' model, and what its config alone has."""
    ratio = model.backbone.hidden_dims // model.backbone.embed_dims
    if model.num_cls_tokens > 1:
        return 'PixioModel', 'pixio', dict(n_cls_tokens=model.num_cls_tokens, mlp_ratio=ratio)
    if model.num_registers:
        return 'Dinov2WithRegistersModel', 'dinov2_with_registers', dict(
            num_register_tokens=model.num_registers, mlp_ratio=ratio, use_swiglu_ffn=False)
    if model.layer_scale:
        return 'Dinov2Model', 'dinov2', dict(mlp_ratio=ratio, use_swiglu_ffn=False, use_mask_token=False)
    if model.num_classes:
        return 'ViTForImageClassification', 'vit', {}
    return 'ViTMAEForPreTraining' if model.decoder else 'ViTMAEModel', 'vit_mae', {}


def _sizes(part: Transformer) -> dict[str, Any]:
    return dict(hidden_size=part.embed_dims, num_hidden_layers=part.num_layers, num_attention_heads=part.num_heads,
                intermediate_size=part.hidden_dims)


def _check_told(model: Description, eps: float) -> None:
    """See that there is such a model, and that all is known of it."""
    backbone, decoder = model.backbone, model.decoder
    if not model.final_norm:
        raise InputError("Hugging Face's models end with a normalisation, and these weights have none (backbone.ln1)")
    if backbone.grid is None:
        raise InputError('the file does not store the grid of patches; give it with --grid HEIGHT WIDTH')
    height, width = backbone.grid
    name = _kind(model)[0]
    if height != width and not model.num_classes:
        raise InputError(f"Hugging Face's {name} is built for squares alone, and these weights are of {height}x{width}"
                         ' patches')
    for part, option in ((backbone, '--num-heads'), (decoder, '--decoder-num-heads')):
        if part and part.num_heads is None:
            raise InputError(f'the file does not store the number of attention heads; give it with {option}')
    if decoder and model.norm_pix is None:
        raise InputError('the file does not store whether its decoder predicts normalised patches; give it with '
                         '--norm-pix yes or no')
    if decoder and (decoder.norm_eps or NORM_EPS) != eps:
        raise InputError(f"Hugging Face's models have one layer_norm_eps, and these weights {eps} in the encoder and "
                         f'{decoder.norm_eps or NORM_EPS} in the decoder')
