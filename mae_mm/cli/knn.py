"""Accuracy of the nearest neighbours of frozen features: nothing is trained.

    python tools/knn.py CONFIG CHECKPOINT [CHECKPOINT ...] [-k 10 20] [--temperature .07] [--cfg-options ...]

CONFIG is a classifier's: its backbone pools the features, its training images vote and its test images are asked, both
under its test pipeline. CHECKPOINT may hold any known encoder, or be `untrained`.
"""
import argparse
from collections.abc import Sequence
from typing import Any

import torch
from mmengine.device import get_device
from mmengine.logging import MMLogger
from mmengine.registry import MODELS, init_default_scope

from ..config.checks import check_data
from ..config.hardware import fit_to_hardware
from ..config.reading import read_config
from ..config.settle import settle
from ..errors import InputError
from ..evaluation.features import labelled_loader, mean_features, neighbours_accuracy
from .common import add_common_options

UNTRAINED = 'untrained'


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description='Accuracy of the nearest neighbours of frozen features')
    add_common_options(parser)
    parser.add_argument('checkpoints', nargs='+', metavar='CHECKPOINT', help=f'files or URLs, or {UNTRAINED}')
    parser.add_argument('-k', nargs='+', type=int, default=[10, 20, 100], help='numbers of neighbours')
    parser.add_argument('--temperature', type=float, default=.07, help='of the votes')
    parser.add_argument('--seed', type=int, default=0, help='of the untrained encoder')
    args = parser.parse_args(argv)

    MMLogger.get_instance('knn', log_level='WARNING')  # not a line for each tensor that is initialised
    cfg = read_config(args.config, args.cfg_options)
    check_data(cfg, ('train_dataloader', 'test_dataloader'))
    settle(cfg, ('train_dataloader', 'test_dataloader'))
    fit_to_hardware(cfg, 'none')
    init_default_scope(cfg.default_scope)
    cfg.train_dataloader.dataset.pipeline = cfg.test_dataloader.dataset.pipeline
    loaders: list[Any] = [labelled_loader(loader.dataset) for loader in (cfg.train_dataloader, cfg.test_dataloader)]
    if not 0 < max(args.k) <= len(loaders[0].dataset):
        raise InputError(f'-k {max(args.k)}: there are {len(loaders[0].dataset)} images to vote')
    results = []
    for checkpoint in args.checkpoints:
        pretrained = dict(type='Pretrained', checkpoint=checkpoint, bands=cfg.get('bands'))
        cfg.model.backbone.init_cfg = None if checkpoint == UNTRAINED else pretrained
        torch.manual_seed(args.seed)
        model = MODELS.build(cfg.model)
        model.init_weights()
        model.to(get_device())
        train, test = (mean_features(model, loader) for loader in loaders)
        results.append((checkpoint, neighbours_accuracy(train, test, args.k, args.temperature)))
    for checkpoint, accuracies in results:
        told = ', '.join(f'{100 * accuracy:.2f} % (k={k})' for k, accuracy in zip(args.k, accuracies, strict=True))
        print(f'{told}  {checkpoint}')
