"""Images that a core loads for pre-training, beside the official pipeline and mmpretrain's, for tools/benchmark.py."""
import argparse
import json
import os
import statistics
import time
from collections.abc import Callable
from typing import Any

import cv2
import torch
from mmengine.registry import init_default_scope
from torch.utils.data import DataLoader
from torchvision import datasets, transforms

from mae_mm.config import read_config, settle
from mae_mm.engine.runner import Runner
from mae_mm.errors import InputError

BATCH = 50
CONFIG = 'pretrain/mae_vit_folder'
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Images(datasets.VisionDataset):
    """The images of a folder as torchvision's ``ImageFolder`` opens them, without its classes."""

    def __init__(self, paths: list[str], transform: Callable):
        super().__init__('', transform=transform)
        self.paths = paths

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, number: int) -> torch.Tensor:
        return self.transform(datasets.folder.default_loader(self.paths[number]))


def official(paths: list[str], size: int) -> DataLoader:
    """facebookresearch/mae, main_pretrain.py."""
    steps = transforms.Compose([
        transforms.RandomResizedCrop(size, scale=(0.2, 1.0), interpolation=transforms.InterpolationMode.BICUBIC),
        transforms.RandomHorizontalFlip(), transforms.ToTensor(), transforms.Normalize(MEAN, STD)])
    return DataLoader(Images(paths, steps), BATCH, shuffle=True, drop_last=True)


def of_config(data: str, size: int, views: int, pipeline: list[dict] | None = None) -> DataLoader:
    """Our pre-training config's, or with another pipeline."""
    cfg = read_config(CONFIG, dict(data_root=data, img_size=size, num_views=views, batch_size=BATCH * views,
                                   held_out=0.))
    settle(cfg, ('train_dataloader', ))
    loader: Any = cfg.train_dataloader
    loader.update(num_workers=0, persistent_workers=False)
    if pipeline:
        loader.dataset.pipeline = pipeline
    return Runner.build_dataloader(loader, seed=0)


def mmpretrain(data: str, size: int) -> DataLoader:
    """mmpretrain, configs/_base_/datasets/imagenet_bs512_mae.py."""
    return of_config(data, size, 1, [
        dict(type='mmpretrain.LoadImageFromFile'),
        dict(type='mmpretrain.RandomResizedCrop', scale=size, crop_ratio_range=(0.2, 1.0), backend='pillow',
             interpolation='bicubic'),
        dict(type='mmpretrain.RandomFlip', prob=0.5), dict(type='mmpretrain.PackInputs')])


def milliseconds(loader: DataLoader) -> float:
    """Of each image (a view is one) in a pass over a loader."""
    if hasattr(loader.sampler, 'set_epoch'):
        loader.sampler.set_epoch(loader.sampler.epoch + 1)
    begin, images = time.perf_counter(), 0
    for batch in loader:
        images += len(batch if isinstance(batch, torch.Tensor) else batch['inputs'])
    return 1000 * (time.perf_counter() - begin) / images


def loader(args: argparse.Namespace) -> None:
    torch.set_num_threads(1)
    cv2.setNumThreads(0)
    init_default_scope('mmpretrain')
    ours = of_config(args.data, args.size, 1)
    paths = [ours.dataset.get_data_info(i)['img_path'] for i in range(len(ours.dataset))]
    if len(paths) < BATCH * args.views:
        raise InputError(f'{args.data}: {len(paths)} images, and the benchmark takes {BATCH * args.views} or more')
    loaders = {'official': official(paths, args.size), 'mmpretrain': mmpretrain(args.data, args.size), 'mae_mm': ours}
    if args.views > 1:
        loaders[f'mae_mm, {args.views} views'] = of_config(args.data, args.size, args.views)
    for each in loaders.values():
        milliseconds(each)  # warm up
    times: dict[str, list[float]] = {name: [] for name in loaders}
    for _ in range(args.repeats):
        for name, each in loaders.items():
            times[name].append(milliseconds(each))
    medians = {name: statistics.median(values) for name, values in times.items()}
    size = sum(map(os.path.getsize, paths)) / len(paths) / 1024
    print(f'{len(paths)} images of {size:.0f} KiB, {args.size} x {args.size}, one thread, medians of {args.repeats}')
    for name, median in medians.items():
        print(f'{name:18}{median:8.2f} ms an image{1000 / median:8.0f} images a second'
              f'{medians["official"] / median:7.2f} times the official ({min(times[name]):.2f} to '
              f'{max(times[name]):.2f} ms)')
    if args.json:
        with open(args.json, 'w') as file:
            json.dump(dict(size=args.size, images=len(paths), milliseconds=times, medians=medians), file, indent=1)
