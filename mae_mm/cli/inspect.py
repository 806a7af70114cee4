"""What a checkpoint is: ``python tools/inspect_checkpoint.py SRC`` (a path, a Hugging Face folder or a URL)."""
import argparse
import os
from collections.abc import Mapping, Sequence
from typing import Any

from ..checkpoint import convert, read_checkpoint, tensors_of
from ..checkpoint.describing import Description, Transformer, describe
from ..checkpoint.download import file_hash
from ..checkpoint.reading import add_trust_option, locate
from ..errors import InputError
from ..models.architectures import ARCHITECTURES

PRETRAIN = 'configs/pretrain/mae_vit-{arch}-p{patch}_8xb512-amp-coslr-1600e_in1k.py'
SEGMENT = 'configs/mae/upernet_mae-{arch}_fp16_8x2_512x512_160k_ade20k.py'
SEGMENTATION_ARCHS = ('base', 'large')
FINETUNE = {'base': 'configs/finetune/vit-base-p16_8xb128-coslr-100e_in1k.py',
            'large': 'configs/finetune/vit-large-p16_8xb128-coslr-50e_in1k.py',
            'huge': 'configs/finetune/vit-huge-p14_8xb128-coslr-50e_in1k.py'}
HUGE_448PX = 'configs/finetune/vit-huge-p14_32xb8-coslr-50e_in1k-448px.py'
HUGE_448PX_GRID = (32, 32)


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description='Say what a checkpoint is and holds')
    parser.add_argument('src', help='path or URL of the weights, or a Hugging Face folder')
    add_trust_option(parser)
    args = parser.parse_args(argv)

    checkpoint = read_checkpoint(args.src, args.trust)
    try:
        tensors = tensors_of(checkpoint)
        converted = convert(tensors)
        model = describe(converted.weights)
    except InputError as error:
        raise InputError(f'{args.src}: {error}') from None
    lines = {'format': converted.format, **_parts(model), **_training(checkpoint), **_files(args.src, tensors),
             'config': suggest(model)}
    for title, text in lines.items():
        print(f'{title + ":":<14} {text}')


def _parts(model: Description) -> dict[str, str]:
    extras = [text for text, there in (('relative position bias', model.rel_pos_bias),
                                       ('layer scale', model.layer_scale)) if there]
    return {
        'encoder': f'{_transformer(model.backbone)}; patch {model.patch_size}, {model.in_channels} channels'
                   + ''.join(f'; {text}' for text in extras),
        'grid': '{}x{} patches'.format(*model.backbone.grid) if model.backbone.grid else 'no square, and not told',
        'decoder': _transformer(model.decoder) if model.decoder else 'no',
        'classifier': f'{model.num_classes} classes' if model.num_classes else 'no',
        'other heads': ', '.join(model.heads) or 'no',
    }


def _transformer(part: Transformer) -> str:
    arch = {sizes['embed_dims']: f'ViT-{name}, ' for name, sizes in ARCHITECTURES.items()
            if sizes['num_layers'] == part.num_layers}.get(part.embed_dims, '')
    heads = f'{part.num_heads} heads' if part.num_heads else 'heads not told'
    return f'{arch}width {part.embed_dims}, {part.num_layers} layers, {heads}'


def _training(checkpoint: Any) -> dict[str, str]:
    found = [key for key in ('optimizer', 'param_schedulers', 'scaler', 'epoch', 'message_hub') if key in checkpoint]
    return {'training state': ', '.join(found) or 'no'}


def _files(source: str, tensors: Mapping[str, Any]) -> dict[str, str]:
    path = locate(source)
    return {
        'parameters': f'{sum(tensor.numel() for tensor in tensors.values()):,} in {len(tensors)} tensors',
        'file': f'{path}, {os.path.getsize(path):,} bytes',
        'sha256': file_hash(path, 'sha256'),
    }


def suggest(model: Description) -> str:
    """The config of this repository that weights are for, or go on with."""
    sizes = model.backbone.embed_dims, model.backbone.num_layers
    archs = [name for name, arch in ARCHITECTURES.items() if (arch['embed_dims'], arch['num_layers']) == sizes]
    if not archs or model.patch_size != (14 if archs[0] == 'huge' else 16):
        return 'none of these sizes; give them to mae_mm.MAE, e.g. by --cfg-options'
    if model.num_classes:
        large = archs[0] == 'huge' and model.backbone.grid == HUGE_448PX_GRID
        head = '' if model.num_classes == 1000 else f' with model.head.num_classes={model.num_classes}'
        pooled = '' if model.pooled else ' with model.backbone.out_type=cls_token'
        return (HUGE_448PX if large else FINETUNE[archs[0]]) + head + pooled
    names = dict(arch=archs[0], patch=model.patch_size)
    if 'decode_head' in model.heads or (archs[0] in SEGMENTATION_ARCHS and not model.decoder):
        return SEGMENT.format(**names)
    return PRETRAIN.format(**names)
