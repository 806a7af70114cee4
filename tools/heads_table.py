"""Heads of segmentation on CamVid, each trained for the same time, with a pre-trained encoder and from scratch.

    OMP_NUM_THREADS=1 python tools/heads_table.py CHECKPOINT --data CAMVID --seconds 150 --seeds 0 1 --out FILE.json

CHECKPOINT is of pre-training, of any width and depth with patches of 16. A head's number of iterations follows from
the processor time of one thread that an iteration takes, which is measured once for all seeds; other work on the
machine counts little. What came out is in FILE after each row, and is not measured again; without seeds only the times
are measured, and copies of FILE are where other processes go on with a seed each.
"""
import argparse
import itertools
import json
import math
import os
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

try:
    from mmengine.hooks import Hook

    from mae_mm.apis.models import load
    from mae_mm.checkpoint.writing import AtomicBackend
    from mae_mm.cli.common import run_tool
    from mae_mm.config.checks import check_data
    from mae_mm.config.hardware import fit_to_hardware
    from mae_mm.config.reading import read_config
    from mae_mm.config.settle import settle
    from mae_mm.engine.building import build_runner
except ImportError as error:
    raise SystemExit(f'error: {error}') from None

CONFIG = 'mae/{}_mae-tiny_1x8_256x256_400_camvid'
HEADS = ('upernet', 'linear', 'dpt', 'segmenter', 'mask', 'mask-decoder')
CROP, STRIDE = (128, 128), (116, 118)  # windows: twelve of an image of 360 x 480
TIMED = 40  # iterations; the first half of them warms up


class Clock(Hook):
    """Processor seconds of each iteration of training and validation, without those of the loaders' processes."""

    def __init__(self) -> None:
        self.seconds: dict[str, list[float]] = {'train': [], 'val': []}

    def _before_iter(self, *_: Any, **__: Any) -> None:
        self.begin = time.process_time()

    def _after_iter(self, *args: Any, mode: str = 'train', **__: Any) -> None:
        self.seconds[mode].append(time.process_time() - self.begin)

    def median(self, mode: str) -> float:
        return statistics.median(self.seconds[mode][len(self.seconds[mode]) // 2:])


def options_of(head: str, backbone: Any) -> dict:
    """Settings by which a config of a ViT-tiny has an encoder of other sizes."""
    depth, width = backbone.num_layers, backbone.embed_dims
    options: dict[str, Any] = {
        'model.backbone.arch': None, 'model.backbone.embed_dims': width, 'model.backbone.num_layers': depth,
        'model.backbone.num_heads': backbone.layers[0].attn.num_heads,
        'crop_size': CROP, 'model.test_cfg.stride': STRIDE}
    if head != 'mask':
        options['width'] = width
    if head in ('upernet', 'mask-decoder'):
        options['model.backbone.out_indices'] = [depth * i // 12 for i in (3, 5, 7, 11)]
    if head == 'dpt':
        options['model.backbone.out_indices'] = [depth * i // 4 - 1 for i in (1, 2, 3, 4)]
    if head.startswith('mask'):
        options['model.decode_head.num_points'] = math.prod(CROP) // 16  # as many of the pixels as in the configs
    if head in ('segmenter', 'mask-decoder'):
        key = 'model.decode_head.decoder.num_heads' if head == 'mask-decoder' else 'model.decode_head.num_heads'
        options[key] = max(width // 64, 1)
    return options


def trained(head: str, options: dict, max_iters: int, work_dir: str) -> tuple[Any, Clock]:
    """The runner after so many iterations and a validation, and what these took."""
    options = {**options, 'max_iters': max_iters, 'default_hooks.logger.interval': 50,
               'default_hooks.checkpoint.interval': max_iters + 1}
    cfg = read_config(CONFIG.format(head), options, work_dir)
    check_data(cfg, ('train_dataloader', 'val_dataloader'))
    settle(cfg, ('train_dataloader', 'val_dataloader'))
    fit_to_hardware(cfg, 'none')
    runner, clock = build_runner(cfg), Clock()
    runner.register_hook(clock)
    runner.train()
    return runner, clock


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description='A table of heads of segmentation, at equal time')
    parser.add_argument('checkpoint', help='of pre-training')
    parser.add_argument('--data', required=True, metavar='CAMVID')
    parser.add_argument('--heads', nargs='+', choices=HEADS, default=HEADS)
    parser.add_argument('--seconds', type=float, required=True, help='of processor time, of the training of a row')
    parser.add_argument('--seeds', nargs='*', type=int, default=[0, 1])
    parser.add_argument('--out', required=True, metavar='FILE.json')
    args = parser.parse_args(argv)
    backbone = load(args.checkpoint).model.backbone
    found = json.loads(Path(args.out).read_text()) if os.path.exists(args.out) else {}

    def keep(key: str, measured: dict[str, float]) -> None:
        found[key] = measured
        AtomicBackend().put(json.dumps(found, indent=1).encode(), args.out)

    with tempfile.TemporaryDirectory() as folder:
        options = {head: {**options_of(head, backbone), 'data_root': args.data} for head in args.heads}
        for head in args.heads:
            if head not in found:
                clock = trained(head, options[head], TIMED, f'{folder}/{head}')[1]
                keep(head, dict(step_seconds=clock.median('train')))
        for seed, head in itertools.product(args.seeds, args.heads):
            max_iters = max(round(args.seconds / found[head]['step_seconds']), 4)
            for start, checkpoint in (('pre-trained', args.checkpoint), ('from scratch', None)):
                key = f'{head} | {start} | {args.seconds:g} s | seed {seed}'
                if key not in found:
                    more = {'randomness.seed': seed, 'checkpoint': checkpoint}
                    keep(key, row(head, {**options[head], **more}, max_iters, f'{folder}/{len(found)}'))
                print(key, {name: round(value, 3) for name, value in found[key].items()}, flush=True)


def row(head: str, options: dict, max_iters: int, work_dir: str) -> dict[str, float]:
    """mIoU in percent; processor seconds of an iteration, of an image in the validation, and of all iterations."""
    runner, clock = trained(head, options, max_iters, work_dir)
    return dict(mIoU=float(runner.message_hub.get_scalar('val/mIoU').current()), iterations=max_iters,
                step_seconds=clock.median('train'), image_seconds=clock.median('val'),
                seconds=sum(clock.seconds['train']))


if __name__ == '__main__':
    run_tool(main)
