"""What saving and checking cost a run, for tools/benchmark.py."""
import argparse
import os
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Callable

import torch
from benchmark_segment import resident_kib
from mmengine.runner.checkpoint import save_checkpoint

from mae_mm import MAE, MAEDecoder, MaskedAutoencoder
from mae_mm.checkpoint.background import BackgroundWriter
from mae_mm.config import check_data, read_config, settle
from mae_mm.config.hardware import fit_to_hardware
from mae_mm.config.labels import look_at_labels
from mae_mm.engine import build_runner
from mae_mm.models.architectures import ARCHITECTURES


def _peak_mib(call: Callable[[], None]) -> float:
    """How much more memory a call takes at most than there was in use before (Linux)."""
    with open('/proc/self/clear_refs', 'w') as file:
        file.write('5')  # the peak starts anew
    before = resident_kib('VmRSS')
    call()
    return (resident_kib('VmHWM') - before) / 1024


def save(args: argparse.Namespace) -> None:
    """A checkpoint of pre-training with AdamW: how long training waits, beside mmengine's plain save."""
    model = MaskedAutoencoder(MAE(**ARCHITECTURES[args.arch]), MAEDecoder())
    optimizer = torch.optim.AdamW(model.parameters())
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    writer, waits, wholes, plain = BackgroundWriter(), [], [], []
    with tempfile.TemporaryDirectory(dir=args.dir) as folder:
        path = os.path.join(folder, 'iter_1.pth')

        def checkpoint() -> dict:
            return dict(state_dict=model.state_dict(), optimizer=optimizer.state_dict())

        def in_background() -> None:
            start = time.perf_counter()
            writer.write(checkpoint(), path)
            waits.append(time.perf_counter() - start)
            writer.finish()
            wholes.append(time.perf_counter() - start)

        def by_mmengine() -> None:
            start = time.perf_counter()
            save_checkpoint(checkpoint(), path)
            plain.append(time.perf_counter() - start)

        peak, their_peak = (_peak_mib(call) for call in (in_background, by_mmengine))
        for _ in range(args.repeats - 1):
            in_background()
            by_mmengine()
        size = os.path.getsize(path) / 2**20
    wait, whole, theirs = (statistics.median(values) for values in (waits, wholes, plain))
    print(f'a checkpoint of pre-training, ViT-{args.arch}, {size:.0f} MiB, in {args.dir or tempfile.gettempdir()}\n'
          f'mmengine, not flushed to the disk    {theirs:7.2f} s             {their_peak:6.0f} MiB more memory\n'
          f'mae_mm, flushed, with its hash       {whole:7.2f} s in all      {peak:6.0f} MiB\n'
          f'mae_mm, while training waits         {wait:7.2f} s ({wait / theirs:.2f} of mmengine\'s, '
          f'{wait / whole:.2f} of the whole)')


def checks(args: argparse.Namespace) -> None:
    """The share of a training that its checks take: before the first step, and in each one."""
    loaders, spent = ('train_dataloader', 'val_dataloader'), Counter[str]()
    begin = time.perf_counter()
    cfg = read_config(args.config, args.cfg_options, args.dir)
    check_data(cfg, loaders)
    settle(cfg, loaders)
    look_at_labels(cfg, loaders)
    spent['before the first step'] = time.perf_counter() - begin
    fit_to_hardware(cfg, 'none')
    runner = build_runner(cfg)
    for hook in runner.hooks:
        if type(hook).__module__.startswith('mae_mm.'):
            for when in ('before_train_iter', 'after_train_iter'):
                setattr(hook, when, timed(getattr(hook, when), spent, type(hook).__name__))
    begin = time.perf_counter()
    runner.train()
    whole = time.perf_counter() - begin + spent['before the first step']
    print(f'{args.config}, {runner.max_iters} iterations: {whole:.1f} s in all')
    for name, seconds in spent.most_common():
        print(f'{name:24}{seconds:9.3f} s{seconds / whole:9.2%}')
    print(f'{"together":24}{spent.total():9.3f} s{spent.total() / whole:9.2%}')


def timed(call: Callable[..., None], spent: Counter[str], name: str) -> Callable[..., None]:
    def timed_call(*args, **kwargs) -> None:
        begin = time.perf_counter()
        call(*args, **kwargs)
        spent[name] += time.perf_counter() - begin

    return timed_call
