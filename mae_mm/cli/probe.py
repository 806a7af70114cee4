"""Accuracy of a linear classifier on frozen features.

    mae-mm probe CONFIG [CHECKPOINT ...] [--out FILE.json] [--cfg-options ...]

The classifier is a multinomial logistic regression on the standardised features of the training images, with one
penalty; `mae-mm evaluate` chooses it, measures more and keeps the features.
CONFIG says which images and which features: linear_probe/vit_linear_folder is for class folders. CHECKPOINT holds any
known encoder, or is `untrained`.
"""
from collections.abc import Sequence

from ..evaluation.features import linear_accuracy
from .frozen import features_of, measure_all, parser_of


def main(argv: Sequence[str] | None = None) -> None:
    args = parser_of('Accuracy of a linear classifier on frozen features').parse_args(argv)
    measure_all(args, features_of(args), lambda train, test: {'top-1': 100 * linear_accuracy(train, test)})
