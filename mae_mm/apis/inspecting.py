"""What a checkpoint is, holds, and can be used for."""
import os
import re
import shlex
from collections.abc import Mapping
from typing import Any

from ..checkpoint import convert, read_checkpoint, tensors_of
from ..checkpoint.architectures import arch_of, token_settings
from ..checkpoint.describing import Description, Transformer, describe
from ..checkpoint.download import file_hash
from ..checkpoint.facts import NORM_EPS
from ..checkpoint.reading import class_names_of, locate, meta_of
from ..config.names import config_names
from ..errors import InputError, listed

PRETRAIN = 'pretrain/mae_vit-{arch}-p{patch}_8xb512-amp-coslr-1600e_in1k'
SEGMENT = 'mae/{head}_mae-{arch}_fp16_8x2_512x512_{iterations}_ade20k'
FINETUNE = {'base': 'finetune/vit-base-p16_8xb128-coslr-100e_in1k',
            'large': 'finetune/vit-large-p16_8xb128-coslr-50e_in1k',
            'huge': 'finetune/vit-huge-p14_8xb128-coslr-50e_in1k'}
HUGE_448PX = 'finetune/vit-huge-p14_32xb8-coslr-50e_in1k-448px'
HUGE_448PX_GRID = (32, 32)
TARGETS = {True: ', of normalised patches', False: ', of patches as they are', None: ''}
IMAGENET, ADE20K = 1000, 150  # classes
# What weights can be used for -> the subcommand, the config for a folder, its setting of the images' size.
FOLDERS = {'pre-training': ('train', 'pretrain/mae_vit_folder', 'img_size'),
           'a classifier': ('train', 'finetune/vit_folder', 'img_size'),
           'a linear probe': ('probe', 'linear_probe/vit_linear_folder', 'img_size'),
           'k-NN': ('knn', 'knn/vit_knn_folder', 'img_size'),
           'a segmentor': ('train', 'mae/upernet_folder', 'crop_size')}
DEFAULT_SIZE_PX = 224  # of the folder configs


def inspect_checkpoint(source: str, trust: bool = False) -> dict[str, str]:
    """Title -> text of what is in a file, and of the commands that it is for.

    Args:
        source: a path, also of a Hugging Face folder, or a URL.
        trust: see :func:`read_checkpoint`.

    Raises:
        ValueError: a file that cannot be read, or of an unknown format.
    """
    checkpoint = read_checkpoint(source, trust)
    try:
        tensors = tensors_of(checkpoint)
        converted = convert(tensors)
        model = describe(converted.weights)
    except InputError as error:
        raise InputError(f'{source}: {error}') from None
    return {'format': converted.format, **_parts(model), **_training(checkpoint), **_files(source, tensors),
            **suggest(model, source)}


def _parts(model: Description) -> dict[str, str]:
    extras = [text for text, there in (
        (f'{model.num_cls_tokens} class tokens', model.num_cls_tokens > 1),
        (f'{model.num_registers} registers', model.num_registers), ('relative position bias', model.rel_pos_bias),
        ('layer scale', model.layer_scale)) if there]
    return {
        'encoder': f'{_transformer(model.backbone)}; patch {model.patch_size}, {model.in_channels} channels'
                   + ''.join(f'; {text}' for text in extras),
        'grid': '{}x{} patches'.format(*model.backbone.grid) if model.backbone.grid else
                'not square, and the file does not store its height and width',
        'decoder': _transformer(model.decoder) + TARGETS[model.norm_pix] if model.decoder else 'no',
        'classifier': f'{model.num_classes} classes' if model.num_classes else 'no',
        'other parts': ', '.join(model.heads) or 'no',
    }


def _transformer(part: Transformer) -> str:
    arch = arch_of(part.embed_dims, part.num_layers)
    heads = f'{part.num_heads} heads' if part.num_heads else 'number of heads unknown'
    eps = f', layer norm eps {part.norm_eps:g}' if part.norm_eps not in (None, NORM_EPS) else ''
    return (f'ViT-{arch}, ' if arch else '') + f'width {part.embed_dims}, {part.num_layers} layers, {heads}{eps}'


def _training(checkpoint: Mapping[str, Any]) -> dict[str, str]:
    """The run that wrote a file, as far as it says; the text of its config is not read."""
    found = [key for key in ('optimizer', 'param_schedulers', 'scaler', 'epoch', 'message_hub') if key in checkpoint]
    lines = {'training state': ', '.join(found) or 'no'}
    meta = meta_of(checkpoint)
    if isinstance(meta.get('experiment_name'), str):
        config = re.sub(r'_\d{8}_\d{6}(_.*)?$', '', meta['experiment_name'])
        config = next((name for name in config_names() if os.path.basename(name) == config), config)
        steps = [f'{unit} {meta[key]}' for key, unit in (('epoch', 'epoch'), ('iter', 'iteration'))
                 if isinstance(meta.get(key), int)]
        lines['made with'] = ', '.join([listed([config]), *steps])
    classes = class_names_of(checkpoint)
    if classes:
        lines['classes'] = f'{len(classes)}: {listed(classes)}'
    return lines


def _files(source: str, tensors: Mapping[str, Any]) -> dict[str, str]:
    path = locate(source)
    return {
        'parameters': f'{sum(tensor.numel() for tensor in tensors.values()):,} in {len(tensors)} tensors',
        'file': f'{path}, {os.path.getsize(path):,} bytes',
        'sha256': file_hash(path, 'sha256'),
    }


def suggest(model: Description, source: str) -> dict[str, str]:
    """The config that weights are of, and those that can start from them, with their settings."""
    arch = arch_of(model.backbone.embed_dims, model.backbone.num_layers)
    if arch is None:
        return {'config': f'none has width {model.backbone.embed_dims} and {model.backbone.num_layers} layers; write '
                          'one whose backbone has these sizes (embed_dims, num_layers, num_heads)'}
    kind = _kind(model)
    lines = {'config': _published(model, arch) or _command(kind, arch, model).partition(' ')[2]}
    lines['config'] = lines['config'].removesuffix(' --cfg-options')
    if not model.num_classes and 'decode_head' not in model.heads:
        lines |= {f'for {use}': f'mae-mm {_command(use, arch, model)} checkpoint={shlex.quote(source)} data_root=DIR'
                  for use in FOLDERS if use != 'pre-training' and not (model.rel_pos_bias and use != 'a segmentor')}
    return lines


def _kind(model: Description) -> str:
    if model.num_classes:
        return 'a linear probe' if 'neck' in model.heads else 'a classifier'
    return 'a segmentor' if 'decode_head' in model.heads or model.rel_pos_bias else 'pre-training'


def _command(use: str, arch: str, model: Description) -> str:
    """The subcommand, a folder config and the settings that differ from its own."""
    subcommand, name, size = FOLDERS[use]
    settings = [f'arch={arch}'] if arch != 'tiny' else []
    if use == _kind(model) == 'a segmentor' and model.decode_head not in ('upernet', None):
        name = 'mae/segment_folder'
        settings.insert(0, f'head={model.decode_head}')
    if model.patch_size != (14 if arch == 'huge' else 16):
        settings.append(f'patch_size={model.patch_size}')
    if model.backbone.grid and (size == 'img_size' or use == _kind(model)):
        height, width = (side * model.patch_size for side in model.backbone.grid)
        if (height, width) != (DEFAULT_SIZE_PX, DEFAULT_SIZE_PX):
            side = f'{height}' if height == width and size == 'img_size' else f'{height},{width}'
            settings.append(f'{size}={side}')
    if model.in_channels != 3:
        settings.append('statistics=FILE')
    layer_scale = model.layer_scale and size != 'crop_size'  # segmentors have it
    settings += token_settings(model.num_cls_tokens, model.num_registers, layer_scale)
    return ' '.join([subcommand, name, '--cfg-options', *settings])


def _published(model: Description, arch: str) -> str | None:
    """The config of a published recipe that weights are of."""
    if model.num_cls_tokens > 1 or model.num_registers or model.layer_scale and _kind(model) != 'a segmentor':
        return None
    if arch not in FINETUNE or model.patch_size != (14 if arch == 'huge' else 16) or model.in_channels != 3:
        return None
    if model.num_classes:
        name = HUGE_448PX if arch == 'huge' and model.backbone.grid == HUGE_448PX_GRID else FINETUNE[arch]
        pooled = '' if model.pooled else ' --cfg-options model.backbone.out_type=cls_token'
        return name + pooled if model.num_classes == IMAGENET and 'neck' not in model.heads else None
    if _kind(model) == 'a segmentor':
        head = (model.decode_head or 'upernet').replace('_', '-')
        name = SEGMENT.format(head=head, arch=arch, iterations='40k' if head == 'linear' else '160k')
        return name if model.num_labels in (ADE20K, None) and name in config_names() else None
    return PRETRAIN.format(arch=arch, patch=model.patch_size)
