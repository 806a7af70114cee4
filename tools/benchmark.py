"""Speed and memory beside a peer, with the same weights, interleaved in one run.

    python tools/benchmark.py segment [--parts backbone head model slide] [--size 512 683] [--batch 1]
    python tools/benchmark.py segment --heads uper linear dpt segmenter mask mask-decoder [--arch base]
    python tools/benchmark.py pretrain [--arch base] [--batch 16] [--official DIR] [--peers NAME ...]
    python tools/benchmark.py bias [--grid 32 32] [--batch 2]
    python tools/benchmark.py train CONFIG --cfg-options data_root=DIR ...
    python tools/benchmark.py loader --data DIR [--views 4] [--size 224] [--repeats 9] [--json FILE]
    python tools/benchmark.py save [--arch base] [--repeats 5] [--dir DIR]
    python tools/benchmark.py checks CONFIG [--dir WORK_DIR] [--cfg-options ...]

The first four take ``--device cuda``, ``--dtype bfloat16``, ``--compile``, ``--repeats N`` and ``--json FILE``.

``segment`` compares UPerNet-MAE with mmsegmentation's: its backbone, its head and the whole model on windows of
512 x 512, in inference and in a training step, and sliding windows over an image of ``--size``; each with its peak
memory and the share of the machine's matrix-product rate that ours reaches, counted in mmsegmentation's operations:
what need not be computed makes it exceed 1. With ``--heads`` it compares whole models of several heads, as their
configs for ADE20K build them, with mmsegmentation's UPerNet: time, operations, and a training step's time and memory.
``pretrain`` compares a step of pre-training at 224 x 224 (forward and
backward) with mmpretrain's ``MAE``, transformers' ``ViTMAEForPreTraining`` and, given a clone of facebookresearch/mae
(and timm installed), with the official model. ``bias`` compares ways to attend with a learned bias. ``loader`` is how
many images of a folder a core loads for pre-training, beside the official pipeline (torchvision with Pillow) and
mmpretrain's. ``train`` runs an epoch of a config, and its loader and its step alone. ``save`` is how long training
waits for a checkpoint, beside mmengine's plain save, ``checks`` the share of a training that is spent on checks. Run
it on a quiet machine: what counts is the ratio.
"""
import argparse

try:
    from mae_mm.cli.common import add_settings
    from mae_mm.models.architectures import ARCHITECTURES
except ImportError as error:
    raise SystemExit(f'error: {error}') from None

import torch
from benchmark_bias import bias
from benchmark_heads import NAMES, heads
from benchmark_loader import loader
from benchmark_pretrain import pretrain
from benchmark_runs import checks, save
from benchmark_segment import segment
from benchmark_train import train

PARTS = ['backbone', 'head', 'model', 'slide']
HEADS = [*NAMES, 'linear', 'dpt', 'segmenter', 'mask', 'mask-decoder']
PEERS = ['mmpretrain', 'transformers', 'official']


def add_device(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('--device', choices=('cpu', 'cuda'), default='cpu')
    parser.add_argument('--dtype', choices=('float32', 'bfloat16', 'float16'), default='float32')
    parser.add_argument('--compile', action='store_true', help='ours by torch.compile; of bias, FlexAttention')
    parser.add_argument('--repeats', type=int, default=5)
    parser.add_argument('--json', metavar='FILE', help='write the results there')


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    subparsers = parser.add_subparsers(dest='what', required=True)
    sub = subparsers.add_parser('segment', help="UPerNet-MAE beside mmseg's")
    sub.add_argument('--parts', nargs='+', choices=PARTS, default=PARTS)
    sub.add_argument('--heads', nargs='+', choices=HEADS, help='whole models of these heads, in place of the parts')
    sub.add_argument('--arch', choices=('tiny', *ARCHITECTURES), default='base')
    sub.add_argument('--size', type=int, nargs=2, metavar=('HEIGHT', 'WIDTH'), default=(512, 683))
    sub.add_argument('--window', type=int, default=512, help='side of a window, and of the images of all other parts')
    sub.add_argument('--batch', type=int, default=1)
    add_device(sub)
    sub = subparsers.add_parser('pretrain', help="a step of pre-training beside the peers'")
    sub.add_argument('--arch', choices=('tiny', 'base', 'large', 'huge'), default='base')
    sub.add_argument('--batch', type=int, default=16)
    sub.add_argument('--official', metavar='DIR', help='a clone of facebookresearch/mae to compare with too')
    sub.add_argument('--peers', nargs='*', choices=PEERS, help='these alone')
    add_device(sub)
    sub = subparsers.add_parser('bias', help='ways to attend with a learned bias')
    sub.add_argument('--grid', type=int, nargs=2, metavar=('HEIGHT', 'WIDTH'), default=(32, 32))
    sub.add_argument('--heads', type=int, default=12)
    sub.add_argument('--batch', type=int, default=2)
    add_device(sub)
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
    for name, told in (('checks', 'the share of a training that its checks take'),
                       ('train', 'a training beside its loader and its step alone')):
        sub = subparsers.add_parser(name, help=told)
        sub.add_argument('config')
        sub.add_argument('--dir', help='the work dir')
        add_settings(sub, 'data_root=DIR')
    sub.add_argument('--json', metavar='FILE', help='write the results there')
    args = parser.parse_args()
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    what = 'heads' if args.what == 'segment' and args.heads else args.what
    dict(segment=segment, heads=heads, pretrain=pretrain, bias=bias, loader=loader, train=train, save=save,
         checks=checks)[what](args)


if __name__ == '__main__':
    main()
