"""The segmentation heads of tools/benchmark.py beside each other and mmsegmentation's own UPerNet."""
import argparse
import functools
from dataclasses import dataclass
from typing import Any

import torch
from benchmark_device import Device, interleaved, write_json
from benchmark_segment import CLASSES, OURS, PEER, Case, peak_mib, ready
from mmengine.config import ConfigDict
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from mae_mm.config.hardware import fit_to_hardware
from mae_mm.config.reading import read_config
from mae_mm.models import MaskHead

CONFIG = 'mae/{}_mae-base_fp16_8x2_512x512_{}_ade20k'
NAMES = {'uper': 'upernet'}  # head -> its config's, where they differ
OBJECTS = 10  # classes in an image, which a mask head matches
BACKBONE = 'backbone'  # by itself, of the linear head's model


@dataclass(frozen=True)
class HeadCase(Case):
    """The model of a head's config for ADE20K, as a whole."""
    head: str = 'uper'

    def _config(self) -> dict:
        name = CONFIG.format(NAMES.get(self.head, self.head), '40k' if self.head == 'linear' else '160k')
        # As they are when all of a model is trained.
        tuned = {'trainable_layers': None} if self.head in ('linear', 'mask-decoder') else {}
        cfg = read_config(name, {'arch': self.arch, 'crop_size': (self.window, self.window),
                                 'model.backbone.init_cfg': None, 'amp': False, **tuned})
        fit_to_hardware(cfg, 'none')
        return dict(cfg.model, test_cfg=ConfigDict(mode='whole'))

    def build(self) -> nn.Module:
        model = super().build()
        if isinstance(model.decode_head, MaskHead):  # as after a training
            model.decode_head.set_shares([0.] * len(model.decode_head.shares))
        return model

    @functools.cached_property
    def _samples(self) -> list:
        samples = super()._samples
        for sample in samples:
            sample.gt_sem_seg.data = sample.gt_sem_seg.data % OBJECTS
        return samples


def heads(args: argparse.Namespace) -> None:
    """Print the table: a head's share is that of its model less that of the backbone alone."""
    device = Device(args.device, args.dtype)
    size = (args.window, args.window)
    print(f'ViT-{args.arch}, {args.batch} images of {args.window}x{args.window}, {CLASSES} classes, {device}')
    peer = f'{PEER} uper'
    given: Any = (args.arch, size, args.window, args.batch, device)
    cases = {peer: Case('model', PEER, *given), **{head: HeadCase('model', OURS, *given, head=head)
                                                   for head in args.heads}}
    models: dict[str, Any] = {name: ready(case.build(), False).to(args.device) for name, case in cases.items()}
    inputs = cases[peer].inputs(False)
    steps = {name: functools.partial(case.infer, models[name], inputs) for name, case in cases.items()}
    alone = Case(BACKBONE, OURS, *given)
    plain = HeadCase('model', OURS, *given, head='linear').build().backbone.eval().to(args.device)
    steps[BACKBONE] = functools.partial(alone.infer, plain, inputs)
    times = 3 if device.is_card else 1
    seconds = interleaved(device, steps, args.repeats, times=times)
    flops = {name: _flops(step) for name, step in steps.items()}
    training = {name: functools.partial(case.train_step, ready(models[name], True), case.inputs(True))
                for name, case in cases.items()}
    train_seconds = interleaved(device, training, args.repeats, times=times)
    if device.is_card:
        held = torch.cuda.memory_allocated() / 2**20
        mib = {name: device.peak_mib(step) - held for name, step in training.items()}
    else:
        mib = {name: peak_mib(case, True) for name, case in cases.items()}
    print(f'{"":14}{"params":>9}{"GFLOP":>9}{"of head":>9}{"ms":>9}{"of head":>9}{"times":>7}{"step ms":>9}'
          f'{"times":>7}{"MiB":>8}')
    results = {BACKBONE: dict(seconds=seconds[BACKBONE], flops=flops[BACKBONE])}
    print(f'{BACKBONE:14}{_millions(plain):8.1f}M{flops[BACKBONE] / 1e9:9.1f}{"":9}{seconds[BACKBONE] * 1000:9.1f}')
    for name in cases:
        more = flops[name] - flops[BACKBONE], seconds[name] - seconds[BACKBONE]
        results[name] = dict(
            seconds=seconds[name], flops=flops[name], train_seconds=train_seconds[name], mib=mib[name],
            head_parameters=_millions(models[name]) - _millions(models[name].backbone))
        print(f'{name:14}{results[name]["head_parameters"]:8.1f}M{flops[name] / 1e9:9.1f}{more[0] / 1e9:9.1f}'
              f'{seconds[name] * 1000:9.1f}{more[1] * 1000:9.1f}{seconds[peer] / seconds[name]:7.2f}'
              f'{train_seconds[name] * 1000:9.1f}{train_seconds[peer] / train_seconds[name]:7.2f}{mib[name]:8.0f}')
    write_json(args.json, dict(vars(args), on=str(device), results=results))


def _millions(model: nn.Module) -> float:
    return sum(parameter.numel() for parameter in model.parameters()) / 1e6


def _flops(step: Any) -> int:
    # The counter does not know the CPU's kernel of attention.
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        step()
    return counter.get_total_flops()
