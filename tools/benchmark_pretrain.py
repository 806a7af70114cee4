"""A step of pre-training beside the peers', for tools/benchmark.py."""
import argparse
import functools
import sys
from collections.abc import Callable
from typing import Any

import torch
from benchmark_device import Device, interleaved, write_json
from benchmark_segment import TINY
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS
from torch import nn

from mae_mm import MAE, MAEDecoder, MaskedAutoencoder
from mae_mm.engine.compiling import compile_model
from mae_mm.models.architectures import ARCHITECTURES


def sizes_of(arch: str) -> dict[str, Any]:
    return ARCHITECTURES.get(arch, TINY)


def patch_of(arch: str) -> int:
    return 14 if arch == 'huge' else 16


def official_mae(folder: str, arch: str) -> nn.Module:
    """facebookresearch/mae's model from a clone, on a current timm and NumPy, which it was not written for."""
    import numpy
    from timm.models import vision_transformer as timm_vit
    numpy.float = float
    block = timm_vit.Block
    timm_vit.Block = lambda *args, qk_scale=None, **kwargs: block(*args, **kwargs)
    if folder not in sys.path:
        sys.path.insert(0, folder)
    import models_mae
    timm_vit.Block = block
    sizes = sizes_of(arch)
    return models_mae.MaskedAutoencoderViT(
        patch_size=patch_of(arch), embed_dim=sizes['embed_dims'], depth=sizes['num_layers'],
        num_heads=sizes['num_heads'], norm_layer=functools.partial(nn.LayerNorm, eps=1e-6), norm_pix_loss=True)


def transformers_mae(arch: str) -> nn.Module:
    from transformers import ViTMAEConfig, ViTMAEForPreTraining
    sizes = sizes_of(arch)
    return ViTMAEForPreTraining(ViTMAEConfig(
        hidden_size=sizes['embed_dims'], num_hidden_layers=sizes['num_layers'],
        num_attention_heads=sizes['num_heads'], intermediate_size=int(sizes['embed_dims'] * sizes['mlp_ratio']),
        patch_size=patch_of(arch), layer_norm_eps=1e-6, norm_pix_loss=True, attn_implementation='sdpa')).train()


def mmpretrain_mae(arch: str) -> nn.Module:
    init_default_scope('mmpretrain')
    sizes, patch = sizes_of(arch), patch_of(arch)
    width = sizes['embed_dims']
    layers = dict(embed_dims=width, num_layers=sizes['num_layers'], num_heads=sizes['num_heads'],
                  feedforward_channels=int(width * sizes['mlp_ratio']))
    return MODELS.build(dict(
        type='mmpretrain.MAE',
        backbone=dict(type='MAEViT', arch=layers, patch_size=patch),
        neck=dict(type='MAEPretrainDecoder', embed_dim=width, patch_size=patch, num_patches=(224 // patch)**2),
        head=dict(type='MAEPretrainHead', norm_pix=True, patch_size=patch,
                  loss=dict(type='PixelReconstructionLoss', criterion='L2'))))


def pretrain(args: argparse.Namespace) -> None:
    """Print seconds of a step (forward and backward) and, on a card, its memory, waits and kernels."""
    device = Device(args.device, args.dtype)
    images = torch.randn(args.batch, 3, 224, 224, device=args.device)
    models: dict[str, nn.Module] = {'mae_mm': MaskedAutoencoder(MAE(**_ours(args.arch)), MAEDecoder())}
    losses: dict[str, Callable] = {'mae_mm': lambda model: model.loss(images)['loss']}
    if args.compile:
        models['compiled'] = MaskedAutoencoder(MAE(**_ours(args.arch)), MAEDecoder())
        compile_model(models['compiled'])
        losses['compiled'] = losses['mae_mm']
    peers: dict[str, tuple[Callable[[], nn.Module], Callable]] = {
        'mmpretrain': (lambda: mmpretrain_mae(args.arch), lambda model: model.loss(images, None)['loss']),
        'transformers': (lambda: transformers_mae(args.arch), lambda model: model(images).loss),
    }
    if args.official:
        peers['official'] = (lambda: official_mae(args.official, args.arch), lambda model: model(images)[0])
    for name in peers if args.peers is None else args.peers:
        models[name], losses[name] = peers[name][0](), peers[name][1]

    def step(name: str) -> None:
        with device.precision():
            loss = losses[name](models[name])
        loss.backward()
        models[name].zero_grad(set_to_none=True)

    for model in models.values():
        model.to(args.device).train()
    seconds = interleaved(device, {name: functools.partial(step, name) for name in models}, args.repeats,
                          times=3 if device.is_card else 1)
    print(f'a step of pre-training, ViT-{args.arch}, {args.batch}x3x224x224, {device}')
    results = {}
    for name, value in seconds.items():
        results[name] = dict(seconds=value, images_per_second=args.batch / value, times_ours=value / seconds['mae_mm'])
        line = f'{name:12}{value * 1000:9.1f} ms{value / seconds["mae_mm"]:7.2f} times ours'
        if device.is_card:
            peak, waits, kernels = (measure(step, name) for measure in (device.peak_mib, device.waits, device.kernels))
            results[name].update(peak_mib=peak, waits=waits, kernels=kernels)
            line += f'{args.batch / value:9.0f} images/s{peak:9.0f} MiB{waits:4} waits{kernels:6} kernels'
        print(line, flush=True)
    write_json(args.json, dict(vars(args), on=str(device), results=results))


def _ours(arch: str) -> dict[str, Any]:
    return dict(sizes_of(arch), patch_size=patch_of(arch))
