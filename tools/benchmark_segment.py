"""The segmentation half of tools/benchmark.py: what is measured, how, and beside what."""
import argparse
import functools
import multiprocessing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from benchmark_device import Device, interleaved, write_json
from mmengine.config import Config, ConfigDict
from mmengine.registry import init_default_scope
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from mae_mm.engine.compiling import compile_model
from mae_mm.models.architectures import ARCHITECTURES

CONFIG = Path(__file__).parent.parent / 'configs/_base_/models/upernet_mae.py'
TINY = dict(embed_dims=192, num_layers=12, num_heads=3, mlp_ratio=4)
PATCH, CLASSES = 16, 150
PEER, OURS = 'mmseg', 'mae_mm'
TYPES = {'mae_mm.EncoderDecoder': 'EncoderDecoder', 'mae_mm.MAE': 'MAE', 'mae_mm.UPerHead': 'UPerHead',
         'mae_mm.FCNHead': 'FCNHead', 'mae_mm.SegPreprocessor': 'SegDataPreProcessor'}


@dataclass(frozen=True)
class Case:
    """A part of UPerNet-MAE, ours or mmseg's, and the size of the images in pixels."""
    part: str
    side: str
    arch: str
    size: tuple[int, int]
    window: int
    batch: int = 1
    device: Device = Device()

    def build(self) -> nn.Module:
        """The part, or the whole model, initialised with seed 0 by torch's defaults."""
        init_default_scope('mmseg')
        torch.manual_seed(0)
        model = MODELS.build(self._config())
        return {'backbone': model.backbone, 'head': model.decode_head}.get(self.part, model)

    def _config(self) -> dict:
        sizes = dict(ARCHITECTURES.get(self.arch, TINY))
        width, depth = sizes['embed_dims'], sizes['num_layers']
        model = Config.fromfile(CONFIG).model.to_dict()
        norm_cfg = dict(type='BN')
        model['backbone'].update(
            sizes, img_size=self.size if self.part == 'backbone' else self.window, drop_path_rate=0.,
            out_indices=[depth // 3 - 1, depth // 2 - 1, depth * 2 // 3 - 1, depth - 1])
        model['neck'].update(embed_dim=width, norm_cfg=norm_cfg)
        common = dict(num_classes=CLASSES, norm_cfg=norm_cfg, dropout_ratio=0.)
        model['decode_head'].update(common, in_channels=[width] * 4, channels=width)
        model['auxiliary_head'].update(common, in_channels=width, channels=256)
        window = (self.window, self.window)
        stride = (self.window * 2 // 3, ) * 2
        mode = 'slide' if self.part == 'slide' else 'whole'
        model['test_cfg'] = ConfigDict(mode=mode, crop_size=window, stride=stride)
        if self.side == PEER:
            for part in (model, *(part for part in model.values() if isinstance(part, dict) and 'type' in part)):
                part['type'] = TYPES.get(part['type'], part['type'])
            del model['backbone']['rel_pos_bias'], model['backbone']['final_norm']
            model['backbone']['norm_cfg'] = dict(type='LN', eps=1e-6)
        return model

    def inputs(self, training: bool) -> Tensor | list[Tensor]:
        """Images; for the head four maps, on a processor of one image more in training: norms of one pixel fail."""
        torch.manual_seed(1)
        if self.part != 'head':
            return torch.randn(self.batch, 3, *self.size, device=self.device.name)
        width = ARCHITECTURES.get(self.arch, TINY)['embed_dims']
        h, w = (side // PATCH for side in self.size)
        images = self.batch + (training and self.batch == 1)
        return [torch.randn(images, width, int(h * scale), int(w * scale), requires_grad=training,
                            device=self.device.name) for scale in (4, 2, 1, .5)]

    def infer(self, model: Any, inputs: Any) -> Any:
        with torch.no_grad(), self.device.precision():
            if self.part in ('backbone', 'head'):
                return model(inputs)
            return model.inference(inputs, [_metainfo(self.size)] * len(inputs))

    def train_step(self, model: Any, inputs: Any) -> None:
        with self.device.precision():
            if self.part in ('backbone', 'head'):
                outputs = model(inputs)
                loss = sum(output.square().mean() for output in outputs)
            else:
                losses = model.loss(inputs, self._samples)
                loss = sum(value for name, value in losses.items() if 'loss' in name)
        loss.backward()
        model.zero_grad()

    @functools.cached_property
    def _samples(self) -> list[SegDataSample]:
        labels = torch.arange(self.size[1], device=self.device.name).expand(1, *self.size) % CLASSES
        samples = [SegDataSample(metainfo=_metainfo(self.size)) for _ in range(self.batch)]
        for sample in samples:
            sample.gt_sem_seg = PixelData(data=labels)
        return samples


def _metainfo(size: tuple[int, int]) -> dict:
    return dict(ori_shape=size, img_shape=size, pad_shape=size, padding_size=[0] * 4)


def ready(model: nn.Module, training: bool) -> nn.Module:
    """A model in a mode. Batch norms keep their statistics: those of one image's smallest map have one value only."""
    model.train(training)  # which mmseg's backbone does not return
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()
    return model


def compare(part: str, args: argparse.Namespace, rate: float, training: bool) -> dict[str, Any]:
    """A line of the table: seconds of both, their ratio, peak memory, and the share of the matrix rate."""
    size = tuple(args.size) if part == 'slide' else (args.window, args.window)
    device = Device(args.device, args.dtype)
    cases = [Case(part, side, args.arch, size, args.window, args.batch, device) for side in (PEER, OURS)]
    models = [ready(case.build(), training).to(args.device) for case in cases]
    models[1].load_state_dict({name: tensor for name, tensor in models[0].state_dict().items()
                               if not name.endswith('relative_position_index')}, strict=True)
    if args.compile:
        compile_model(models[1])
    inputs = cases[0].inputs(training)
    steps = [functools.partial(case.train_step if training else case.infer, model, inputs)
             for case, model in zip(cases, models, strict=True)]
    difference = '' if training else f'{_difference(*(step() for step in steps)):.1e}'
    with FlopCounterMode(display=False) as counter:
        steps[0]()
    names = PEER, OURS
    seconds = interleaved(device, dict(zip(names, steps, strict=True)), args.repeats, times=3 if device.is_card else 1)
    theirs, ours = seconds.values()
    if device.is_card:
        held = torch.cuda.memory_allocated() / 2**20
        memory = [device.peak_mib(step) - held for step in steps]
    else:
        del models, steps
        memory = [peak_mib(case, training) for case in cases]
    title = f'{part} {size[0]}x{size[1]}' + (', training step' if training else '')
    share = counter.get_total_flops() / ours / rate
    line = (f'{title:32}{theirs * 1000:8.1f}ms{ours * 1000:8.1f}ms{theirs / ours:7.2f}{memory[0]:9.0f}{memory[1]:9.0f}'
            f'{memory[1] / memory[0]:7.2f}{share:8.2f}{difference:>10}')
    result = dict(part=title, seconds=seconds, mib=dict(zip(names, memory, strict=True)), share=share)
    if device.is_card:
        waits, kernels = ([measure(step) for step in steps] for measure in (device.waits, device.kernels))
        result.update(waits=waits, kernels=kernels)
        line += f'  waits {waits[0]}, {waits[1]}; kernels {kernels[0]}, {kernels[1]}'
    print(line, flush=True)
    return result


def _difference(theirs: Any, ours: Any) -> float:
    pairs = zip(theirs, ours, strict=True) if isinstance(theirs, (list, tuple)) else [(theirs, ours)]
    return max((a - b).abs().max().item() for a, b in pairs)


def _peak_mib(case: Case, training: bool, queue: Any) -> None:
    model = ready(case.build(), training)
    before = resident_kib('VmRSS')
    with open('/proc/self/clear_refs', 'w') as file:
        file.write('5')  # the peak starts anew
    for _ in range(2):
        (case.train_step if training else case.infer)(model, case.inputs(training))
    queue.put((resident_kib('VmHWM') - before) / 1024)


def resident_kib(field: str) -> int:
    with open('/proc/self/status') as file:
        return next(int(line.split()[1]) for line in file if line.startswith(field))


def peak_mib(case: Case, training: bool) -> float:
    """Peak memory on top of the model's own, measured in a process of its own (Linux)."""
    context = multiprocessing.get_context('spawn')
    queue = context.Queue()
    process = context.Process(target=_peak_mib, args=(case, training, queue))
    process.start()
    process.join()
    if process.exitcode:
        raise SystemExit(f'error: the process that measures memory ended with {process.exitcode}')
    return queue.get()


def segment(args: argparse.Namespace) -> None:
    """Print the table."""
    device = Device(args.device, args.dtype)
    rate = device.matrix_rate()
    print(f'ViT-{args.arch}, {args.batch} images, {CLASSES} classes, windows of {args.window}, {device}; matrix '
          f'products of this machine: {rate / 1e9:.0f} GFLOP/s')
    print(f'{"":32}{PEER:>10}{OURS:>10}{"ratio":>7}{"MiB":>9}{"MiB":>9}{"ratio":>7}{"share":>8}{"differs":>10}')
    results = [compare(part, args, rate, training) for part in args.parts
               for training in ([False] if part == 'slide' else [False, True])]
    write_json(args.json, dict(vars(args), on=str(device), results=results))
