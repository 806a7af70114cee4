"""What ``mae-mm knn`` and ``mae-mm probe`` share: their options, and the table of what they measured."""
import argparse
from collections.abc import Callable

from mmengine.logging import MMLogger

from ..apis.frozen import UNTRAINED, FrozenFeatures, Labelled, check_checkpoints, check_target, write_accuracies
from ..errors import InputError
from .common import add_settings

Measure = Callable[[Labelled, Labelled], dict[str, float]]


def parser_of(description: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument('config', help='file or name of a config: knn/vit_knn_folder, '
                        'linear_probe/vit_linear_folder, that of another classifier, or of pre-training')
    parser.add_argument('checkpoints', nargs='*', metavar='CHECKPOINT',
                        help=f'files or URLs of any known format, or {UNTRAINED}; default: the setting checkpoint')
    parser.add_argument('--seed', type=int, help=f'of the random weights of {UNTRAINED}; default: 0')
    parser.add_argument('--out', metavar='FILE.json', help='also write the accuracies to this file')
    add_settings(parser, 'data_root=DIR checkpoint=FILE arch=small')
    return parser


def features_of(args: argparse.Namespace) -> FrozenFeatures:
    """The features that the command line asks for; what is wrong with it is told here."""
    MMLogger.get_instance('features', log_level='WARNING')  # not a line for each tensor that is initialised
    if args.out is not None:
        check_target(args.out, [args.config, *args.checkpoints])
    start = next((name for name in args.checkpoints if name != UNTRAINED), None)  # which may tell of bands
    features = FrozenFeatures(args.config, {**({'load_from': start} if start else {}), **(args.cfg_options or {})})
    args.checkpoints = args.checkpoints or [features.checkpoint]
    if args.seed is not None and UNTRAINED not in args.checkpoints:
        raise InputError(f'--seed {args.seed} is of the random weights of {UNTRAINED!r}, which is not among the '
                         'checkpoints')
    check_checkpoints(args.checkpoints)
    return features


def measure_all(args: argparse.Namespace, features: FrozenFeatures, measure: Measure) -> None:
    """Measure one checkpoint after the other and print a table, also of those before one that fails."""
    results: dict[str, dict[str, float]] = {}
    try:
        for checkpoint in args.checkpoints:
            results[checkpoint] = measure(*features.of(checkpoint, args.seed or 0))
            if args.out:
                write_accuracies(args.out, features, args.config, results)
    finally:
        _print_table(features, results)


def _print_table(features: FrozenFeatures, results: dict[str, dict[str, float]]) -> None:
    print(f'{features.num_train} training images and {features.num_test} test images of {len(features.classes)} '
          f'classes. Accuracy in percent; always answering the most frequent class gives '
          f'{features.most_frequent_class():.2f}.')
    for i, (checkpoint, accuracies) in enumerate(results.items()):
        if i == 0:
            print(''.join(f'{title:>8}' for title in accuracies) + '  checkpoint')
        print(''.join(f'{accuracy:8.2f}' for accuracy in accuracies.values()) + f'  {checkpoint}')
