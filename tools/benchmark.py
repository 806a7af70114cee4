"""Speed and memory beside a peer, with the same weights, interleaved in one run.

    python tools/benchmark.py segment [--part both] [--arch base] [--size 512 512] [--channels C] [--repeats 5]
    python tools/benchmark.py pretrain [--arch base] [--batch 16] [--repeats 5] [--official DIR]

``segment`` compares the backbone of UPerNet-MAE with mmsegmentation's ``MAE``, and its head with mmsegmentation's
``UPerHead``: inference, and a training step (forward and backward of one image; of two for the head, whose norms need
them), each with its peak memory. ``--channels`` is the head's width, the backbone's if not given. ``pretrain``
compares a step of pre-training at 224 x 224 (forward and backward) with mmpretrain's ``MAE`` and, given a clone of
facebookresearch/mae (and timm installed), with the official model. Run it on a quiet machine: what counts is the
ratio.
"""
import argparse
import functools
import multiprocessing
import statistics
import sys
import time
from collections.abc import Callable
from typing import NamedTuple

try:
    from mae_mm import MAE, MAEDecoder, MaskedAutoencoder
    from mae_mm.models.vit import ARCHITECTURES
except ImportError as error:
    raise SystemExit(f'error: {error}') from None

import torch
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS
from torch import nn

PEER, OURS = "mmseg's MAE", 'mae_mm.MAE'
PEER_HEAD, OUR_HEAD = "mmseg's UPerHead", 'mae_mm.UPerHead'
PATCH = 16
TINY = dict(embed_dims=192, num_layers=12, num_heads=3, mlp_ratio=4)


class Case(NamedTuple):
    """What is measured: a model, which one of the two, and the sizes of what it reads."""
    name: str
    arch: str
    size: tuple[int, int]
    channels: int | None

    def build(self) -> nn.Module:
        torch.manual_seed(0)
        if self.name in (PEER_HEAD, OUR_HEAD):
            return build_head(self.name, self.width, self.channels or self.width)
        return build_backbone(self.name, self.arch, self.size)

    @property
    def width(self) -> int:
        return ARCHITECTURES.get(self.arch, TINY)['embed_dims']

    def inputs(self, training: bool) -> torch.Tensor | list[torch.Tensor]:
        if self.name in (PEER, OURS):
            return torch.randn(1, 3, *self.size)
        h, w = (side // PATCH for side in self.size)
        return [torch.randn(1 + training, self.width, int(h * scale), int(w * scale), requires_grad=training)
                for scale in (4, 2, 1, .5)]


def build_backbone(name: str, arch: str, size: tuple[int, int]) -> nn.Module:
    """The UPerNet config's backbone, ours or mmseg's, initialised by torch's defaults."""
    init_default_scope('mmseg')
    sizes = dict(ARCHITECTURES.get(arch, TINY))
    depth = sizes['num_layers']
    maps = [depth // 3 - 1, depth // 2 - 1, depth * 2 // 3 - 1, depth - 1]
    common = dict(img_size=size, init_values=1., out_indices=maps, **sizes)
    if name == PEER:
        return MODELS.build(dict(type='MAE', norm_cfg=dict(type='LN', eps=1e-6), **common))
    return MODELS.build(dict(type='mae_mm.MAE', rel_pos_bias=True, final_norm=False, **common))


def build_head(name: str, width: int, channels: int) -> nn.Module:
    """The UPerNet config's head, ours or mmseg's."""
    init_default_scope('mmseg')
    return MODELS.build(dict(
        type='UPerHead' if name == PEER_HEAD else name, in_channels=[width] * 4, in_index=[0, 1, 2, 3],
        channels=channels, num_classes=150, norm_cfg=dict(type='BN')))


def infer(model: nn.Module, inputs) -> None:
    with torch.no_grad():
        model(inputs)


def train_step(model: nn.Module, inputs) -> None:
    model.zero_grad()
    sum(m.square().mean() for m in model(inputs)).backward()


def seconds(call: Callable, *args) -> float:
    start = time.perf_counter()
    call(*args)
    return time.perf_counter() - start


def _peak_mib(call: Callable, training: bool, case: Case, queue) -> None:
    model = case.build()
    model.train(training)
    before = _resident_kib('VmRSS')
    with open('/proc/self/clear_refs', 'w') as file:
        file.write('5')  # the peak starts anew
    for _ in range(2):
        call(model, case.inputs(training))
    queue.put((_resident_kib('VmHWM') - before) / 1024)


def _resident_kib(field: str) -> int:
    with open('/proc/self/status') as file:
        return next(int(line.split()[1]) for line in file if line.startswith(field))


def peak_mib(*args) -> float:
    """Peak memory on top of the model's own, measured in a process of its own (Linux)."""
    context = multiprocessing.get_context('spawn')
    queue = context.Queue()
    process = context.Process(target=_peak_mib, args=(*args, queue))
    process.start()
    process.join()
    if process.exitcode:
        raise SystemExit(f'error: the process that measures memory ended with {process.exitcode}')
    return queue.get()


def segment(args: argparse.Namespace) -> None:
    print(f'ViT-{args.arch}, {args.size[0]}x{args.size[1]}, float32, {torch.get_num_threads()} threads, torch '
          f'{torch.__version__}')
    for part, names in (('backbone', (PEER, OURS)), ('head', (PEER_HEAD, OUR_HEAD))):
        if args.part in (part, 'both'):
            compare([Case(name, args.arch, tuple(args.size), args.channels) for name in names], args.repeats)


def compare(cases: list[Case], repeats: int) -> None:
    """Print a table of a peer's model and ours."""
    models = [case.build() for case in cases]
    for model in models:
        model.eval()
    models[1].load_state_dict(models[0].state_dict(), strict=True)
    with torch.no_grad():
        inputs = cases[0].inputs(training=False)
        outputs = zip(*(model(inputs) for model in models), strict=True)
        difference = max((theirs - ours).abs().max().item() for theirs, ours in outputs)
    theirs, ours = (case.name for case in cases)
    print(f'{"":16}{theirs:>18}{ours:>18}{"ratio":>8}{"peak MiB":>12}{"peak MiB":>12}{"ratio":>8}'
          f'    largest difference {difference:.1e}')
    for title, call, training in (('inference', infer, False), ('training step', train_step, True)):
        times: list[list[float]] = [[], []]
        inputs = cases[0].inputs(training)
        for model in models:
            model.train(training)
            call(model, inputs)  # warm up
        for _ in range(repeats):
            for model, measured in zip(models, times, strict=True):
                measured.append(seconds(call, model, inputs))
        medians = [statistics.median(measured) for measured in times]
        memory = [peak_mib(call, training, case) for case in cases]
        print(f'{title:16}{medians[0]:17.3f}s{medians[1]:17.3f}s{medians[0] / medians[1]:8.2f}'
              f'{memory[0]:12.0f}{memory[1]:12.0f}{memory[1] / memory[0]:8.2f}', flush=True)


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
    sub = subparsers.add_parser('segment', help="UPerNet-MAE's backbone and head beside mmseg's")
    sub.add_argument('--part', choices=('backbone', 'head', 'both'), default='both')
    sub.add_argument('--channels', type=int, metavar='C', help="the head's width; the backbone's if not given")
    sub.add_argument('--arch', choices=('tiny', *ARCHITECTURES), default='base')
    sub.add_argument('--size', type=int, nargs=2, metavar=('HEIGHT', 'WIDTH'), default=(512, 512))
    sub.add_argument('--repeats', type=int, default=5)
    sub = subparsers.add_parser('pretrain', help="a step of pre-training beside mmpretrain's")
    sub.add_argument('--arch', choices=('tiny', 'base', 'large'), default='base')
    sub.add_argument('--batch', type=int, default=16)
    sub.add_argument('--repeats', type=int, default=5)
    sub.add_argument('--official', metavar='DIR', help='a clone of facebookresearch/mae to compare with too')
    args = parser.parse_args()
    {'segment': segment, 'pretrain': pretrain}[args.what](args)


if __name__ == '__main__':
    main()
