"""A training from end to end beside what its loader and its card can do alone, for tools/benchmark.py."""
import argparse
import itertools
import logging
import time

import torch
from benchmark_device import write_json
from mmengine.hooks import Hook

from mae_mm.config import check_data, read_config, settle
from mae_mm.config.hardware import fit_to_hardware
from mae_mm.engine import build_runner

WARM_UP = 5  # iterations that are not counted


class Clock(Hook):
    """Seconds from one iteration to another, with all that they started."""
    priority = 'VERY_LOW'

    def __init__(self, first: int, last: int):
        self.first, self.last, self.times = first, last, []

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None) -> None:
        if runner.iter + 1 in (self.first, self.last):
            wait()
            self.times.append(time.perf_counter())


def wait() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def train(args: argparse.Namespace) -> None:
    """Print images a second of a run of one epoch without validation, of its loader and of its step alone."""
    cfg = read_config(args.config, {**(args.cfg_options or {}), 'max_epochs': 1}, args.dir)
    check_data(cfg, ('train_dataloader', ))
    settle(cfg, ('train_dataloader', ))
    fit_to_hardware(cfg, 'none')
    cfg.val_dataloader = cfg.val_evaluator = cfg.val_cfg = None
    cfg.log_level = 'WARNING'
    runner = build_runner(cfg)
    loader = runner.train_dataloader
    last = len(loader) - 1
    if last <= WARM_UP:
        raise SystemExit(f'error: an epoch has {len(loader)} iterations; at least {WARM_UP + 2} are needed')
    clock = Clock(WARM_UP, last)
    runner.register_hook(clock)
    logging.disable(logging.INFO)
    runner.train()
    count = (last - WARM_UP) * loader.batch_size
    whole = count / (clock.times[1] - clock.times[0])

    batches = iter(loader)
    batch = next(itertools.islice(batches, WARM_UP - 1, None))
    start = time.perf_counter()
    for _ in range(last - WARM_UP):
        next(batches)
    loading = count / (time.perf_counter() - start)
    runner._end_workers()

    for number in range(last):
        if number == WARM_UP:
            wait()
            start = time.perf_counter()
        runner.model.train_step(batch, runner.optim_wrapper)
    wait()
    stepping = count / (time.perf_counter() - start)
    where = torch.cuda.get_device_name() if torch.cuda.is_available() else f'{torch.get_num_threads()} threads'
    print(f'{args.config}, batches of {loader.batch_size}, {loader.num_workers} workers, {where}\n'
          f'the loader alone      {loading:8.0f} images a second\n'
          f'the step alone        {stepping:8.0f}\n'
          f'the training          {whole:8.0f}, {whole / min(loading, stepping):.1%} of the slower')
    write_json(args.json, dict(vars(args), on=where, loader=loading, step=stepping, training=whole))
