"""Speed and memory beside a peer, with the same weights, interleaved in one run.

    python tools/benchmark.py segment [--parts backbone head model slide] [--size 512 683] [--repeats 5]
    python tools/benchmark.py pretrain [--arch base] [--batch 16] [--repeats 5] [--official DIR]
    python tools/benchmark.py loader --data DIR [--views 4] [--size 224] [--repeats 9] [--json FILE]
    python tools/benchmark.py save [--arch base] [--repeats 5] [--dir DIR]
    python tools/benchmark.py checks CONFIG [--dir WORK_DIR] [--cfg-options ...]

``segment`` compares UPerNet-MAE with mmsegmentation's: its backbone, its head and the whole model on a window of
512 x 512, in inference and in a training step, and sliding windows over an image of ``--size``; each with its peak
memory and the share of the machine's matrix-product rate that ours reaches, counted in mmsegmentation's operations:
what need not be computed makes it exceed 1. ``pretrain`` compares a step of pre-training at 224 x 224 (forward and
backward) with mmpretrain's ``MAE`` and, given a clone of facebookresearch/mae (and timm installed), with the official
model. ``loader`` is how many images of a folder a core loads for pre-training, beside the official pipeline
(torchvision with Pillow) and mmpretrain's. ``save`` is how long training waits for a checkpoint, beside mmengine's
plain save, ``checks`` the share of a training that is spent on checks. Run it on a quiet machine: what counts is the
ratio.
"""
import argparse
import functools
import statistics
import sys
import time
from collections.abc import Callable

try:
    from mae_mm import MAE, MAEDecoder, MaskedAutoencoder
    from mae_mm.cli.common import add_settings
    from mae_mm.models.architectures import ARCHITECTURES
except ImportError as error:
    raise SystemExit(f'error: {error}') from None

import torch
from benchmark_loader import loader
from benchmark_runs import checks, save
from benchmark_segment import TINY, segment
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS
from torch import nn

PARTS = ['backbone', 'head', 'model', 'slide']


def seconds(call: Callable, *args) -> float:
    start = time.perf_counter()
    call(*args)
    return time.perf_counter() - start


def official_mae(folder: str, arch: str) -> nn.Module:
    """facebookresearch/mae's model from a clone, on a current timm and NumPy, which it was not written for."""
    import numpy
    from timm.models import vision_transformer as timm_vit
    numpy.float = float
    block = timm_vit.Block
    timm_vit.Block = lambda *args, qk_scale=None, **kwargs: block(*args, **kwargs)
    sys.path.insert(0, folder)
    import models_mae
    sizes = ARCHITECTURES.get(arch, TINY)
    return models_mae.MaskedAutoencoderViT(
        embed_dim=sizes['embed_dims'], depth=sizes['num_layers'], num_heads=sizes['num_heads'],
        norm_layer=functools.partial(nn.LayerNorm, eps=1e-6), norm_pix_loss=True)


def mmpretrain_mae(arch: str) -> nn.Module:
    init_default_scope('mmpretrain')
    sizes = ARCHITECTURES.get(arch, TINY)
    width = sizes['embed_dims']
    layers = dict(embed_dims=width, num_layers=sizes['num_layers'], num_heads=sizes['num_heads'],
                  feedforward_channels=int(width * sizes['mlp_ratio']))
    return MODELS.build(dict(
        type='mmpretrain.MAE',
        backbone=dict(type='MAEViT', arch=layers),
        neck=dict(type='MAEPretrainDecoder', embed_dim=width),
        head=dict(type='MAEPretrainHead', norm_pix=True, loss=dict(type='PixelReconstructionLoss', criterion='L2'))))


def pretrain(args: argparse.Namespace) -> None:
    ours = MaskedAutoencoder(MAE(**ARCHITECTURES.get(args.arch, TINY)), MAEDecoder())
    peer = mmpretrain_mae(args.arch)
    losses: dict[str, Callable] = {
        'mae_mm': lambda images: ours.loss(images)['loss'],
        'mmpretrain': lambda images: peer.loss(images, None)['loss'],
    }
    if args.official:
        official = official_mae(args.official, args.arch)
        losses['official'] = lambda images: official(images)[0]
    images = torch.randn(args.batch, 3, 224, 224)

    def step(loss: Callable) -> None:
        loss(images).backward()

    times: dict[str, list[float]] = {name: [] for name in losses}
    for loss in losses.values():
        step(loss)  # warm up
    for _ in range(args.repeats):
        for name, loss in losses.items():
            times[name].append(seconds(step, loss))
    print(f'a step of pre-training, ViT-{args.arch}, {args.batch}x3x224x224, float32, '
          f'{torch.get_num_threads()} threads, torch {torch.__version__}')
    own = statistics.median(times['mae_mm'])
    for name, values in times.items():
        print(f'{name:12}{statistics.median(values):8.3f}s{statistics.median(values) / own:8.2f} times ours')


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    subparsers = parser.add_subparsers(dest='what', required=True)
    sub = subparsers.add_parser('segment', help="UPerNet-MAE beside mmseg's")
    sub.add_argument('--parts', nargs='+', choices=PARTS, default=PARTS)
    sub.add_argument('--arch', choices=('tiny', *ARCHITECTURES), default='base')
    sub.add_argument('--size', type=int, nargs=2, metavar=('HEIGHT', 'WIDTH'), default=(512, 683))
    sub.add_argument('--window', type=int, default=512, help='side of a window, and of the images of all other parts')
    sub.add_argument('--repeats', type=int, default=5)
    sub = subparsers.add_parser('pretrain', help="a step of pre-training beside mmpretrain's")
    sub.add_argument('--arch', choices=('tiny', 'base', 'large'), default='base')
    sub.add_argument('--batch', type=int, default=16)
    sub.add_argument('--repeats', type=int, default=5)
    sub.add_argument('--official', metavar='DIR', help='a clone of facebookresearch/mae to compare with too')
    sub = subparsers.add_parser('loader', help='images a second that a core loads for pre-training')
    sub.add_argument('--data', required=True, metavar='DIR', help='a folder of photographs')
    sub.add_argument('--views', type=int, default=1, help='also with so many crops of each decoded image')
    sub.add_argument('--size', type=int, default=224)
    sub.add_argument('--repeats', type=int, default=9)
    sub.add_argument('--json', metavar='FILE', help='also write all times there')
    sub = subparsers.add_parser('save', help="what a checkpoint costs beside mmengine's")
    sub.add_argument('--arch', choices=tuple(ARCHITECTURES), default='base')
    sub.add_argument('--repeats', type=int, default=5)
    sub.add_argument('--dir', help="where to write; by default the system's folder of temporary files")
    sub = subparsers.add_parser('checks', help='the share of a training that its checks take')
    sub.add_argument('config')
    sub.add_argument('--dir', help='the work dir')
    add_settings(sub, 'data_root=DIR')
    args = parser.parse_args()
    if args.what == 'segment':
        segment(args.arch, tuple(args.size), args.window, args.repeats, args.parts)
    else:
        dict(pretrain=pretrain, loader=loader, save=save, checks=checks)[args.what](args)


if __name__ == '__main__':
    main()
