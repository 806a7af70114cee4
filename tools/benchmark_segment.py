"""The segmentation half of tools/benchmark.py: what is measured, how, and beside what."""
import multiprocessing
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from mmengine.config import Config, ConfigDict
from mmengine.registry import init_default_scope
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from mae_mm.models.architectures import ARCHITECTURES

CONFIG = Path(__file__).parent.parent / 'configs/_base_/models/upernet_mae.py'
TINY = dict(embed_dims=192, num_layers=12, num_heads=3, mlp_ratio=4)
PATCH, CLASSES = 16, 150
PEER, OURS = 'mmseg', 'mae_mm'
TYPES = {'mae_mm.EncoderDecoder': 'EncoderDecoder', 'mae_mm.MAE': 'MAE', 'mae_mm.UPerHead': 'UPerHead'}


class Case(NamedTuple):
    """A part of UPerNet-MAE, ours or mmseg's, and the size of the images in pixels."""
    part: str
    side: str
    arch: str
    size: tuple[int, int]
    window: int

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
            for part in (model, model['backbone'], model['decode_head']):
                part['type'] = TYPES[part['type']]
            del model['backbone']['rel_pos_bias'], model['backbone']['final_norm']
            model['backbone']['norm_cfg'] = dict(type='LN', eps=1e-6)
        return model

    def inputs(self, training: bool) -> Tensor | list[Tensor]:
        """Images; for the head four maps, of two images in training as the norm of one pixel needs them."""
        torch.manual_seed(1)
        if self.part != 'head':
            return torch.randn(1, 3, *self.size)
        width = ARCHITECTURES.get(self.arch, TINY)['embed_dims']
        h, w = (side // PATCH for side in self.size)
        return [torch.randn(1 + training, width, int(h * scale), int(w * scale), requires_grad=training)
                for scale in (4, 2, 1, .5)]

    def infer(self, model: Any, inputs: Any) -> Any:
        with torch.no_grad():
            if self.part in ('backbone', 'head'):
                return model(inputs)
            return model.inference(inputs, [_metainfo(self.size)])

    def train_step(self, model: Any, inputs: Any) -> None:
        model.zero_grad()
        if self.part in ('backbone', 'head'):
            outputs = model(inputs)
            loss = sum(output.square().mean() for output in outputs)
        else:
            sample = SegDataSample(metainfo=_metainfo(self.size))
            sample.gt_sem_seg = PixelData(data=torch.arange(self.size[1]).expand(1, *self.size) % CLASSES)
            losses = model.loss(inputs, [sample])
            loss = losses['decode.loss_ce'] + losses['aux.loss_ce']
        loss.backward()


def _metainfo(size: tuple[int, int]) -> dict:
    return dict(ori_shape=size, img_shape=size, pad_shape=size, padding_size=[0] * 4)


def ready(model: nn.Module, training: bool) -> nn.Module:
    """A model in a mode. Batch norms keep their statistics: those of one image's smallest map have one value only."""
    model.train(training)  # which mmseg's backbone does not return
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()
    return model


def compare(part: str, arch: str, size: tuple[int, int], window: int, repeats: int, rate: float,
            training: bool) -> None:
    """A line of the table: seconds of both, their ratio, peak memory, and the share of the matrix rate."""
    cases = [Case(part, side, arch, size, window) for side in (PEER, OURS)]
    models = [ready(case.build(), training) for case in cases]
    models[1].load_state_dict({name: tensor for name, tensor in models[0].state_dict().items()
                               if not name.endswith('relative_position_index')}, strict=True)
    inputs = cases[0].inputs(training)
    calls: list[Callable] = [case.train_step if training else case.infer for case in cases]
    difference = '' if training else f'{_difference(*(c(m, inputs) for c, m in zip(calls, models, strict=True))):.1e}'
    times: list[list[float]] = [[], []]
    for model, call in zip(models, calls, strict=True):
        call(model, inputs)  # warm up
    with FlopCounterMode(display=False) as counter:
        calls[0](models[0], inputs)
    for _ in range(repeats):
        for model, call, measured in zip(models, calls, times, strict=True):
            start = time.perf_counter()
            call(model, inputs)
            measured.append(time.perf_counter() - start)
    theirs, ours = (statistics.median(measured) for measured in times)
    del models
    memory = [peak_mib(case, training) for case in cases]
    title = f'{part} {size[0]}x{size[1]}' + (', training step' if training else '')
    share = counter.get_total_flops() / ours / rate
    print(f'{title:32}{theirs:9.2f}s{ours:9.2f}s{theirs / ours:7.2f}{memory[0]:9.0f}{memory[1]:9.0f}'
          f'{memory[1] / memory[0]:7.2f}{share:8.2f}{difference:>10}', flush=True)


def _difference(theirs: Any, ours: Any) -> float:
    pairs = zip(theirs, ours, strict=True) if isinstance(theirs, (list, tuple)) else [(theirs, ours)]
    return max((a - b).abs().max().item() for a, b in pairs)


def matrix_rate(side: int = 2048) -> float:
    """Floating-point operations a second of this machine's matrix product, the best of five."""
    a, b = torch.randn(2, side, side)
    torch.mm(a, b)

    def once() -> float:
        start = time.perf_counter()
        torch.mm(a, b)
        return time.perf_counter() - start

    return 2 * side**3 / min(once() for _ in range(5))


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


def segment(arch: str, size: tuple[int, int], window: int, repeats: int, parts: list[str]) -> None:
    """Print the table."""
    rate = matrix_rate()
    print(f'ViT-{arch}, {CLASSES} classes, windows of {window}, float32, {torch.get_num_threads()} threads, torch '
          f'{torch.__version__}; matrix products of this machine: {rate / 1e9:.0f} GFLOP/s')
    print(f'{"":32}{PEER:>10}{OURS:>10}{"ratio":>7}{"MiB":>9}{"MiB":>9}{"ratio":>7}{"share":>8}{"differs":>10}')
    square = (window, window)
    for part in parts:
        if part in ('backbone', 'head', 'model'):
            compare(part, arch, square, window, repeats, rate, training=False)
            compare(part, arch, square, window, repeats, rate, training=True)
        else:
            compare(part, arch, size, window, repeats, rate, training=False)
