"""A run looked at before it is started: its data from the first file to the last, a few steps, memory and time."""
import resource
import tempfile
import time
from collections import Counter
from hashlib import sha256
from typing import Any

import numpy as np
import torch
from mmengine.device import get_device
from mmengine.model import is_model_wrapper

from ..checkpoint.download import file_hash
from ..config.checks import check_data
from ..config.hardware import fit_to_hardware
from ..config.reading import read_config
from ..config.sections import TRAINING, check_needed
from ..config.settle import settle
from ..config.shapes import check_shapes
from ..datasets import LoadCrop
from ..engine.building import build_runner
from ..engine.runner import Runner
from ..engine.summary import counted
from ..errors import InputError
from ..progress import progress_of

LOADERS = ('train_dataloader', 'val_dataloader')
SHOWN = 5
STEPS = 3  # of training, of which the first warms up
READERS = ('LoadImage', 'LoadImageFromFile', 'LoadCrop', 'LoadAnnotations', 'CheckLabels')


def check_run(config: str, options: dict[str, Any] | None = None) -> dict[str, Any]:
    """Do all that a training run does first, and look through its data; nothing is written.

    Returns:
        dict: ``data`` (of each loader: images, sizes, classes, what cannot be used, copies), ``in_both`` (images of
        training and validation alike) and ``run``, with memory and an estimate of the time (None if some images
        cannot be used).

    Raises:
        ValueError: what would stop the run before its first step.
    """
    cfg = read_config(config, options)
    check_needed(cfg, TRAINING)
    check_data(cfg, LOADERS)
    settle(cfg, LOADERS)
    fit_to_hardware(cfg, 'none')
    with tempfile.TemporaryDirectory() as folder:
        cfg.work_dir = folder
        runner = build_runner(cfg)
        loop = runner.train_loop  # builds what training needs
        runner.optim_wrapper = runner.build_optim_wrapper(runner.optim_wrapper)
        if runner.param_schedulers is not None:
            runner.param_schedulers = runner.build_param_scheduler(runner.param_schedulers)
        loaders = {'train': loop.dataloader}
        if runner._val_loop is not None:
            runner._val_loop = runner.build_val_loop(runner._val_loop)
            loaders['val'] = runner.val_loop.dataloader
        runner._init_model_weights()
        report: dict[str, Any] = dict(data={name: look_through(loader.dataset) for name, loader in loaders.items()})
        report['run'] = None
        if not _unusable(report):  # at the first of which a step would stop
            check_shapes(cfg)
            report['run'] = try_steps(runner)
        hashes = [set(told.pop('hashes')) for told in report['data'].values()]
        report['in_both'] = len(set.intersection(*hashes)) if len(hashes) > 1 else 0
    return report


def look_through(dataset: Any) -> dict[str, Any]:
    """Read every image of a data set, and its labels, without augmentation."""
    steps = [step for step in dataset.pipeline.transforms if type(step).__name__ in READERS]
    steps = [step.load if isinstance(step, LoadCrop) else step for step in steps]  # whole images
    sizes: Counter[str] = Counter()
    of_hash: dict[str, list[str]] = {}
    classes: Counter[int] = Counter()
    broken = []
    shards = getattr(dataset, 'shards', None)
    with progress_of(len(dataset)) as progress:
        for i in range(len(dataset)):
            results = dataset.get_data_info(i)
            path = results['img_path']
            try:
                results = results if shards is None else dataset.with_bytes(results)
                data = results.get('img_bytes')
                for step in steps:
                    results = step(results)
                digest = file_hash(path, 'sha256') if data is None else sha256(data).hexdigest()
                of_hash.setdefault(digest, []).append(path)
                sizes['{}x{}'.format(*results['img'].shape[:2])] += 1
                if 'gt_seg_map' in results:
                    values, counts = np.unique(results['gt_seg_map'], return_counts=True)
                    classes.update(dict(zip(values.tolist(), counts.tolist(), strict=True)))
                elif 'gt_label' in results:
                    classes[int(results['gt_label'])] += 1
            except (InputError, OSError) as error:
                broken.append(str(error))
            progress.update()
    names = (getattr(dataset, 'metainfo', None) or {}).get('classes') or ()
    copies = [paths for paths in of_hash.values() if len(paths) > 1]
    return dict(images=len(dataset), shards=0 if shards is None else len(dataset.by_shard()),
                sizes=dict(sizes.most_common(SHOWN)), different_sizes=len(sizes),
                classes={name: classes.get(i, 0) for i, name in enumerate(names)},
                cannot_be_used=broken, copies=copies, hashes=list(of_hash))


def try_steps(runner: Runner) -> dict[str, Any]:
    """Train a few steps, with the weights thrown away: seconds, memory, and what that makes for the whole run."""
    model = runner.model.module if is_model_wrapper(runner.model) else runner.model
    model.train()
    loader = iter(runner.train_dataloader)
    seconds, losses = [], []
    for _ in range(STEPS):
        begin = time.perf_counter()
        try:
            batch = next(loader)
        except StopIteration:
            loader = iter(runner.train_dataloader)
            batch = next(loader)
        read = time.perf_counter()
        losses.append(model.train_step(batch, optim_wrapper=runner.optim_wrapper)['loss'].item())
        seconds.append((read - begin, time.perf_counter() - read))
    waiting, step = (min(values) for values in zip(*seconds[1:], strict=True))
    gpu = torch.cuda.is_available() and get_device() != 'cpu'
    memory = torch.cuda.max_memory_allocated() if gpu else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return dict(parameters=sum(p.numel() for p in model.parameters()), device=str(get_device()), losses=losses,
                seconds_a_step=step, seconds_of_reading=waiting, iterations=runner.max_iters,
                hours=(step + waiting) * runner.max_iters / 3600, memory_bytes=int(memory))


def lines_of(report: dict[str, Any]) -> list[str]:
    """A report in words."""
    lines = []
    for name, told in report['data'].items():
        sizes = ', '.join(f'{size} ({count})' for size, count in told['sizes'].items())
        shards = f' in {counted(told["shards"], "shard")}' if told['shards'] else ''
        lines.append(f'{name}: {counted(told["images"], "image")}{shards}; sizes (height x width) {sizes}'
                     + (f' and {told["different_sizes"] - SHOWN} more' if told['different_sizes'] > SHOWN else ''))
        total = sum(told['classes'].values())
        if total:
            shares = sorted(told['classes'].items(), key=lambda pair: -pair[1])
            shown = [f'{label} {100 * count / total:.1f} %' for label, count in shares[:20]]
            lines.append(f'  classes: {", ".join(shown)}{", ..." if len(shares) > 20 else ""}')
        for what in ('cannot_be_used', 'copies'):
            found = told[what]
            if found:
                some = [text if isinstance(text, str) else ' = '.join(text[:2]) for text in found[:SHOWN]]
                lines.append(f'  {"cannot be used" if what == "cannot_be_used" else "copies of one another"}: '
                             f'{len(found)}, such as {"; ".join(some)}')
    if report['in_both']:
        lines.append(f'in both the training and the validation data: {counted(report["in_both"], "image")}')
    run = report['run']
    if run is None:
        return [*lines, 'no step was tried, as some images cannot be used']
    lines.append(f'model: {run["parameters"]:,} parameters; losses of {STEPS} steps '
                 + ', '.join(f'{loss:.4f}' for loss in run['losses']))
    lines.append(f'on {run["device"]}: {run["seconds_a_step"]:.3f} s a step and {run["seconds_of_reading"]:.3f} s of '
                 f'waiting for data; {_duration(run["hours"])} for {run["iterations"]:,} iterations, without '
                 f'validation; {run["memory_bytes"] / 2**30:.2f} GiB of memory')
    return lines


def _duration(hours: float) -> str:
    minutes = max(1, round(60 * hours))
    return f'about {hours:.1f} hours' if hours >= 2 else f'about {minutes} minute{"" if minutes == 1 else "s"}'


def _unusable(report: dict[str, Any]) -> bool:
    return any(told['cannot_be_used'] for told in report['data'].values())


def is_fine(report: dict[str, Any]) -> bool:
    """Whether nothing was found that would stop a run or spoil its result."""
    return not report['in_both'] and not _unusable(report)
