"""Accuracy of the nearest neighbours of frozen features: nothing is trained.

    mae-mm knn CONFIG [CHECKPOINT ...] [-k 1 10 20] [--temperature .07] [--out FILE.json] [--cfg-options ...]

The training images vote on the class of each test image. CONFIG says which images and which features:
knn/vit_knn_folder is for class folders. CHECKPOINT holds any known encoder, or is `untrained`. `mae-mm evaluate` needs
no config, and measures more.
"""
from collections.abc import Sequence

from ..errors import InputError
from ..evaluation.neighbours import neighbours_accuracy, neighbours_to_ask
from .frozen import features_of, measure_all, parser_of


def main(argv: Sequence[str] | None = None) -> None:
    parser = parser_of('Accuracy of the nearest neighbours of frozen features')
    parser.add_argument('-k', nargs='+', type=int, help='numbers of neighbours; default: 1 10 20 100, as far as there '
                                                        'are training images')
    parser.add_argument('--temperature', type=float, default=.07, help='of the votes; default: %(default)s')
    args = parser.parse_args(argv)
    if not args.temperature > 0:
        raise InputError(f'--temperature {args.temperature} is not above 0')
    features = features_of(args)
    counts = neighbours_to_ask(args.k, features.num_train)
    measure_all(args, features, lambda train, test: {
        f'k={count}': 100 * accuracy for count, accuracy in
        zip(counts, neighbours_accuracy(train, test, counts, args.temperature), strict=True)})
