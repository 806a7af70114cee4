"""How good the features of an encoder are, while it trains."""
from typing import Any

import torch
import torch.nn.functional as F
from mmengine.dist import master_only
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from torch import Tensor

from ..datasets.labelled import CLASSES, LabelledImages, LabelledSet, bands_of
from ..errors import InputError
from ..evaluation import linear, shots
from ..evaluation.encoding import POOLED, TOKENS_AT_A_TIME, encode
from ..evaluation.neighbours import neighbours_accuracy
from ..registry import HOOKS


@HOOKS.register_module()
class ProbeHook(Hook):
    """Measures the backbone's features of a small labelled folder every few epochs, and after the last one.

    The scalars ``probe/knn_top1`` and ``probe/linear_top1``, in percent of the folder's held-out images, are in the
    run's message hub, its log and all ``vis_backends``, by epoch. Features are the mean of the patch tokens after the
    last norm; see docs/evaluation.md for the probes. Training is the same with and without the hook.

    Args:
        data: ``KIND:DIR`` with class folders; see :class:`mae_mm.datasets.labelled.LabelledSet`.
        interval: epochs.
        k: neighbours that vote, or all training images if these are fewer.

    Raises:
        ValueError: before the first step, of data that cannot be used.
    """

    def __init__(self, data: str, interval: int = 1, k: int = 20):
        if not isinstance(data, str):
            raise InputError(f'ProbeHook(data={data!r}): it is KIND:DIR, such as folder:CLASSES')
        if type(interval) is not int or type(k) is not int or interval < 1 or k < 1:
            raise InputError(f'ProbeHook(interval={interval!r}, k={k!r}): both are whole numbers from 1 on')
        self.source, self.interval, self.k = data, interval, k
        self.data: Any = None

    def before_train(self, runner: Any) -> None:
        backbone = _bare(runner.model).backbone
        try:
            self.data = LabelledSet(self.source, bands_of(runner.cfg.get('statistics')))
        except InputError as error:  # which names the option of `mae-mm evaluate`
            raise InputError(f'ProbeHook: {str(error).replace("--on ", "data=")}') from None
        if self.data.labels != CLASSES:
            raise InputError(f'ProbeHook: {self.source} has label maps, and class folders are needed')
        self.data.fit((backbone.grid[0] * backbone.patch_size, backbone.grid[1] * backbone.patch_size))
        self.data.train[0]

    @master_only
    def after_train_epoch(self, runner: Any) -> None:
        if not self.every_n_epochs(runner, self.interval) and not self.is_last_train_epoch(runner):
            return
        scalars = {f'probe/{name}': value for name, value in self.measure(_bare(runner.model)).items()}
        for name, value in scalars.items():
            runner.message_hub.update_scalar(name, value)
        runner.visualizer.add_scalars(scalars, step=runner.epoch + 1)
        runner.logger.info(f'Epoch {runner.epoch + 1}: ' + ', '.join(
            f'{name} {value:.2f}' for name, value in scalars.items()))

    def measure(self, model: Any) -> dict[str, float]:
        """``knn_top1`` and ``linear_top1``, in percent, of a model with a backbone; its mode stays as it is."""
        mode = model.training
        model.eval()
        try:
            known, asked = (self._features(model, part) for part in (self.data.train, self.data.test))
        finally:
            model.train(mode)
        labels, truth = self.data.train.labels(), self.data.test.labels()
        nearest, = neighbours_accuracy((known, labels), (asked, truth), [min(self.k, len(labels))])
        fitting, choosing = shots.split(labels, seed=0)
        classifier = linear.fit(known, F.one_hot(labels, len(self.data.classes)).float(), fitting, choosing,
                                lambda logits: (logits.argmax(dim=0) == labels[choosing]).float().mean(dim=1))
        right = (classifier.scores(asked).argmax(dim=1) == truth).float().mean().item()
        return dict(knn_top1=100 * nearest, linear_top1=100 * right)

    @staticmethod
    def _features(model: Any, images: LabelledImages) -> Tensor:
        """``(N, C)`` on the CPU."""
        backbone, scale = model.backbone, model.data_preprocessor
        h, w = backbone.grid
        batches = images.batches(0, max(1, TOKENS_AT_A_TIME // (h * w)), workers=0)
        return torch.cat([encode(backbone, (batch.to(scale.mean) - scale.mean) / scale.std, [POOLED])[POOLED][:, -1, 0]
                          .float().cpu() for batch in batches])


def _bare(model: Any) -> Any:
    return model.module if is_model_wrapper(model) else model
