"""Measuring masked autoencoders."""
from collections.abc import Sequence
from typing import Any

from mmengine.evaluator import BaseMetric

from ..registry import METRICS


@METRICS.register_module()
class ReconstructionLoss(BaseMetric):
    """``held_out_mse``: the mean loss of a masked autoencoder over images that it was not trained on.

    Its name has no 'loss' in it, as mmengine's log would average it over the epochs then.
    """
    default_prefix = ''

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        self.results += [sample['reconstruction_loss'] for sample in data_samples]

    def compute_metrics(self, results: list[float]) -> dict[str, float]:
        return {'held_out_mse': sum(results) / len(results)}
