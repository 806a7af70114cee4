"""Linear probe: the accuracy of a linear classifier on frozen features, for one checkpoint after the other.

    python tools/probe.py CONFIG CHECKPOINT [CHECKPOINT ...] --train DIR --test DIR

CONFIG is the one of pre-training; its test pipeline loads the images of the folders, which hold a folder for each
class. CHECKPOINT may be `untrained`. Features are the mean of the encoder's patch tokens of the whole image,
standardised; the classifier is scikit-learn's multinomial logistic regression.
"""
import argparse
import os
from collections.abc import Sequence

import torch
from mmengine.logging import MMLogger
from mmengine.registry import MODELS, init_default_scope

from ..config.reading import read_config
from ..errors import InputError
from ..evaluation.features import labelled_loader, linear_accuracy, mean_features

UNTRAINED = 'untrained'


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description='Accuracy of a linear classifier on frozen features')
    parser.add_argument('config', help='the config of pre-training')
    parser.add_argument('checkpoints', nargs='+', metavar='CHECKPOINT', help=f'files or URLs, or {UNTRAINED}')
    parser.add_argument('--train', required=True, metavar='DIR', help='class folders to fit the classifier to')
    parser.add_argument('--test', required=True, metavar='DIR', help='class folders to measure it on')
    parser.add_argument('--seed', type=int, default=0, help='of the untrained encoder')
    args = parser.parse_args(argv)

    for folder in (args.train, args.test):
        if not os.path.isdir(folder):
            raise InputError(f'{folder}: no such folder')
    MMLogger.get_instance('probe', log_level='WARNING')  # not a line for each tensor that is initialised
    cfg = read_config(args.config)
    init_default_scope(cfg.default_scope)
    loaders = [labelled_loader(dict(type='mae_mm.ClassFolder', data_prefix=folder, pipeline=cfg.test_pipeline))
               for folder in (args.train, args.test)]
    results = []
    for checkpoint in args.checkpoints:
        if checkpoint != UNTRAINED:
            cfg.model.backbone.init_cfg = dict(type='Pretrained', checkpoint=checkpoint, bands=cfg.get('bands'))
        torch.manual_seed(args.seed)
        model = MODELS.build(cfg.model)
        model.init_weights()
        results.append((checkpoint, linear_accuracy(*(mean_features(model, loader) for loader in loaders))))
    for checkpoint, accuracy in results:
        print(f'{100 * accuracy:6.2f} %  {checkpoint}')
