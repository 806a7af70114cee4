"""What the features of a frozen encoder tell of labelled images: nearest neighbours, a linear classifier."""
import os
from collections.abc import Sequence
from typing import Any

import torch
from mmengine.config import Config, ConfigDict
from mmengine.device import get_device
from mmengine.registry import MODELS, init_default_scope
from torch import Tensor

from ..checkpoint.reading import locate
from ..checkpoint.writing import AtomicBackend
from ..config.checks import check_data
from ..config.hardware import fit_to_hardware
from ..config.reading import read_config
from ..config.sections import check_needed
from ..config.settle import classes_of, settle
from ..datasets.folder import SPLITS
from ..errors import InputError
from ..evaluation.features import labelled_loader, mean_features
from ..outputs import check_writable
from .report import as_json

UNTRAINED = 'untrained'
Labelled = tuple[Tensor, Tensor]
LOADERS = ('train_dataloader', 'test_dataloader')


class FrozenFeatures:
    """The features of a config's training images and of its test images, by its backbone; nothing is trained.

    All go through the test pipeline. A classifier's backbone pools as the config says. With a pre-training config the
    images are the class folders in ``data_root``, and features the mean of the patch tokens.

    Args:
        config: path or name of the config.
        options: changes of its settings.

    Attributes:
        classes: names of the classes.
        num_train, num_test: numbers of images.

    Raises:
        ValueError: a config or data that cannot be used; see :func:`check_data`.
    """

    def __init__(self, config: str, options: dict[str, Any] | None = None):
        self.cfg: Config = read_config(config, options)
        check_needed(self.cfg, ('model', *LOADERS))
        model = self.cfg.get('model', {})
        if 'decoder' in model:
            self._take_class_folders()
        elif 'head' not in model:
            raise InputError(f'{config} is the config of neither a classifier nor pre-training; for class folders '
                             'there are knn/vit_knn_folder and linear_probe/vit_linear_folder')
        check_data(self.cfg, LOADERS)
        settle(self.cfg, LOADERS)
        self.cfg.pop('optim_wrapper', None)  # nothing trains: no word on mixed precision
        fit_to_hardware(self.cfg, 'none')
        init_default_scope(self.cfg.default_scope)
        self._start: dict = self.cfg.model.backbone.get('init_cfg') or {}
        train, test = (self.cfg[name].dataset for name in LOADERS)
        self.classes = classes_of(train) or ()
        train.pipeline = test.pipeline
        self._loaders: list[Any] = [
            labelled_loader(self.cfg[name].dataset, num_workers=self.cfg[name].num_workers) for name in LOADERS]
        self.num_train, self.num_test = (len(loader.dataset) for loader in self._loaders)

    def _take_class_folders(self) -> None:
        for name, split in zip(LOADERS, SPLITS, strict=True):
            self.cfg[name].dataset = ConfigDict(type='mae_mm.ClassFolder', data_root=self.cfg.data_root, split=split,
                                                pipeline=self.cfg.test_pipeline)

    @property
    def checkpoint(self) -> str:
        """What the config starts from.

        Raises:
            ValueError: it names nothing.
        """
        init = self.cfg.model.backbone.get('init_cfg')
        if init is None:
            return UNTRAINED
        if not init.get('checkpoint'):
            raise InputError('no encoder is given: --cfg-options checkpoint=FILE, or files and URLs after the config, '
                             f'or {UNTRAINED!r} for random weights')
        return init.checkpoint

    def of(self, checkpoint: str, seed: int = 0) -> tuple[Labelled, Labelled]:
        """Features and labels, ``(N, C)`` and ``(N,)``, of the training images and of the test images.

        Args:
            checkpoint: a file or URL of any known format, or ``'untrained'``.
            seed: of the random weights.

        Raises:
            ValueError: a checkpoint that does not fit the config.
        """
        start = dict(self._start, type='Pretrained', checkpoint=checkpoint, bands=self.cfg.get('bands'))
        self.cfg.model.backbone.init_cfg = None if checkpoint == UNTRAINED else start
        torch.manual_seed(seed)
        model = MODELS.build(self.cfg.model)
        model.init_weights()
        model.to(get_device())
        train, test = (mean_features(model, loader) for loader in self._loaders)
        return train, test

    def most_frequent_class(self) -> float:
        """Top-1, in percent, of always answering the class with most training images."""
        train, test = (torch.tensor(loader.dataset.get_gt_labels()) for loader in self._loaders)
        return 100 * (test == train.bincount().argmax()).float().mean().item()


def check_checkpoints(checkpoints: Sequence[str]) -> None:
    """Tell before anything is computed which checkpoint is not there.

    Raises:
        ValueError: with its name.
    """
    for checkpoint in checkpoints:
        if checkpoint != UNTRAINED:
            locate(checkpoint)


def check_target(path: str, made_from: Sequence[str]) -> None:
    """Raises ``ValueError`` if results cannot be written to a file."""
    if os.path.isdir(path) or not path.endswith('.json'):
        raise InputError(f'--out {path}: a file is needed whose name ends in .json')
    check_writable(path, made_from)


def write_accuracies(path: str, features: FrozenFeatures, config: str, results: dict[str, dict[str, float]]) -> None:
    """Write what was measured of each checkpoint, in percent, as a JSON file."""
    report = dict(config=config, train_images=features.num_train, test_images=features.num_test,
                  classes=list(features.classes), most_frequent_class=features.most_frequent_class(),
                  accuracy=results)
    AtomicBackend().put(as_json(report).encode(), path)
