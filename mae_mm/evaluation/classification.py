"""Measuring classifiers: accuracy, and ImageNet-C's corruption error."""
import csv
import io
import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from mmengine.evaluator import BaseMetric
from mmpretrain.evaluation import Accuracy as _Accuracy
from torch import Tensor

from ..checkpoint.writing import AtomicBackend
from ..errors import InputError
from ..registry import METRICS

# Hendrycks and Dietterich (arXiv:1903.12261): AlexNet's top-1 error, the mean over the severities.
ALEXNET_ERROR = {
    'gaussian_noise': .886428, 'shot_noise': .894468, 'impulse_noise': .922640, 'defocus_blur': .819880,
    'glass_blur': .826268, 'motion_blur': .785948, 'zoom_blur': .798360, 'snow': .866816, 'frost': .826572,
    'fog': .819324, 'brightness': .564592, 'contrast': .853204, 'elastic_transform': .646056, 'pixelate': .717840,
    'jpeg_compression': .606500}
SEVERITIES = ('1', '2', '3', '4', '5')


@METRICS.register_module()
class Accuracy(_Accuracy):
    """mmpretrain's top-k accuracy, which also keeps that of each class, and can write what was predicted.

    Args:
        among_present: the prediction is the best of the classes that the data set has (``metainfo['class_ids']``), as
            ImageNet-A and -R are measured.
        out_dir: folder of ``predictions.csv``: path, label, prediction and its probability of each image.

    Attributes:
        per_class: class name -> ``accuracy``, the percentage of its images whose best class it is (None without
            images), and ``images``, their number.
        confusion: ``(classes, classes)`` numbers of images, a row for each true class, a column for each prediction.
        class_names: those of the rows and of the columns.
    """

    counted = 'images'

    def __init__(self, *args: Any, among_present: bool = False, out_dir: str | None = None, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.among_present = among_present
        self.out_dir = out_dir
        self.per_class: dict[str, dict[str, Any]] = {}
        self.confusion = torch.zeros(0, 0, dtype=torch.int64)
        self.class_names: tuple[str, ...] = ()

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        for sample in data_samples:
            score = sample['pred_score'].cpu()
            if self.among_present:
                score = among(score, (self.dataset_meta or {})['class_ids'])
            result = dict(pred_score=score, gt_label=sample['gt_label'].cpu())
            if self.out_dir:
                result['img_path'] = sample['img_path']
            self.results.append(result)

    def compute_metrics(self, results: list[dict]) -> dict[str, float]:
        if self.out_dir:
            write_predictions(results, (self.dataset_meta or {}).get('classes'), self.out_dir)
        self.confusion = confusion_of(results)
        self.class_names = unique_names((self.dataset_meta or {}).get('classes') or range(len(self.confusion)))
        self.per_class = per_class(self.confusion, self.class_names)
        return super().compute_metrics(results)


def confusion_of(results: Sequence[dict]) -> Tensor:
    """``(classes, classes)`` numbers of images: row the true class, column the one with the highest score."""
    scores = torch.stack([result['pred_score'] for result in results])  # N classes
    labels = torch.cat([result['gt_label'] for result in results])  # N
    num_classes = scores.shape[1]
    pairs = labels * num_classes + scores.argmax(dim=1)
    return torch.bincount(pairs, minlength=num_classes**2).view(num_classes, num_classes)


def unique_names(names: Iterable[Any]) -> tuple[str, ...]:
    """Names of classes, those that are not unique with their number: ImageNet-1K has two classes ``crane``."""
    names = list(map(str, names))
    counts = Counter(names)
    return tuple(name if counts[name] == 1 else f'{name} ({i})' for i, name in enumerate(names))


def per_class(confusion: Tensor, names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """The accuracy in percent and the number of images of each class."""
    rows = zip(names, confusion.diagonal().tolist(), confusion.sum(dim=1).tolist(), strict=True)
    return {name: dict(accuracy=round(100 * right / images, 2) if images else None, images=images)
            for name, right, images in rows}


def among(score: Tensor, class_ids: Sequence[int]) -> Tensor:
    """``(classes,)`` probabilities where those of other classes are 0 and the rest sums to 1."""
    kept = torch.zeros_like(score)
    kept[list(class_ids)] = score[list(class_ids)]
    return kept / kept.sum().clamp_min(torch.finfo(kept.dtype).tiny)


def write_predictions(results: Sequence[dict], classes: Sequence[str] | None, out_dir: str) -> None:
    """A line for each image in ``out_dir/predictions.csv``, classes by their names."""
    text = io.StringIO()
    lines = csv.writer(text, lineterminator='\n')
    lines.writerow(('path', 'label', 'prediction', 'probability'))
    for result in results:
        label, best = int(result['gt_label']), int(result['pred_score'].argmax())
        names = (classes[label], classes[best]) if classes else (label, best)
        lines.writerow((result['img_path'], *names, f'{result["pred_score"][best]:.6f}'))
    content = text.getvalue().encode(errors='surrogateescape')  # names that are not UTF-8, byte for byte
    AtomicBackend().put(content, os.path.join(out_dir, 'predictions.csv'))


@METRICS.register_module()
class CorruptionError(BaseMetric):
    """ImageNet-C: ``mCE``, the mean over corruptions of the error relative to AlexNet's, and the mean top-1.

    The images are ``.../CORRUPTION/SEVERITY/CLASS/FILE``.

    Raises:
        ValueError: one of the 75 folders is missing, or there is another one.
    """
    default_prefix = ''

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        for sample in data_samples:
            corruption, severity = os.path.normpath(sample['img_path']).split(os.sep)[-4:-2]
            self.results.append((corruption, severity, bool(sample['pred_label'] == sample['gt_label'])))

    def compute_metrics(self, results: list[tuple[str, str, bool]]) -> dict[str, float]:
        correct: dict[tuple[str, str], list[bool]] = defaultdict(list)
        for corruption, severity, right in results:
            correct[corruption, severity].append(right)
        wanted = {(corruption, severity) for corruption in ALEXNET_ERROR for severity in SEVERITIES}
        for what, pairs in (('lacks', wanted - set(correct)), ('has others,', set(correct) - wanted)):
            if pairs:
                raise InputError(f'ImageNet-C has 15 corruptions in 5 severities; this folder {what} '
                                 f'{len(pairs)}, such as {"/".join(min(pairs))}')
        error = {pair: 1 - sum(right) / len(right) for pair, right in correct.items()}
        relative = [sum(error[corruption, severity] for severity in SEVERITIES) / len(SEVERITIES) / alexnet
                    for corruption, alexnet in ALEXNET_ERROR.items()]
        return {'mCE': 100 * sum(relative) / len(relative), 'top1': 100 * (1 - sum(error.values()) / len(error))}
