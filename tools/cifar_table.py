"""What a pre-trained encoder is worth on 1,000 labelled images of CIFAR-10: one table of every way to use it.

    make cifar-table CIFAR=DIR         # pre-trains first, if that has not been done

DIR holds train/CLASS and val/CLASS. Every way sees the same 1,000 images with labels, 100 of each class.
"""
import argparse
import os
from collections.abc import Sequence

try:
    from mae_mm.apis.frozen import FrozenFeatures
    from mae_mm.cli.common import run_tool
    from mae_mm.config.checks import check_data
    from mae_mm.config.hardware import fit_to_hardware
    from mae_mm.config.reading import read_config
    from mae_mm.config.settle import settle
    from mae_mm.engine.building import build_runner
    from mae_mm.evaluation.neighbours import neighbours_accuracy
except ImportError as error:
    raise SystemExit(f'error: {error}') from None

FINETUNE = 'configs/finetune/vit-tiny-p4_1xb50-coslr-20e_cifar10-1000.py'
LINEAR = 'configs/linear_probe/vit-tiny-p4_1xb100-coslr-90e_cifar10-1000.py'
NEIGHBOURS = 10
# Way -> config, and how many of the last layers train (None: all of the encoder).
TRAINED = {
    'from scratch': (FINETUNE, None),
    'linear': (LINEAR, 0),
    'partial, the MLP of the last layer': (FINETUNE, .5),
    'partial, the last layer': (FINETUNE, 1),
    'partial, the last 2 layers': (FINETUNE, 2),
    'full': (FINETUNE, None),
}


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description='A table of the ways to use an encoder on 1,000 images of CIFAR-10')
    parser.add_argument('checkpoint', help='of pre-training')
    parser.add_argument('--data', default='data/cifar10', metavar='DIR')
    parser.add_argument('--work-dir', default='work_dirs/cifar_table')
    parser.add_argument('--seeds', nargs='+', type=int, default=[0])
    args = parser.parse_args(argv)

    init = {'checkpoint': args.checkpoint}
    rows = {f'{NEIGHBOURS} nearest neighbours': [neighbours(args.data, args.checkpoint)]}
    for way, (config, layers) in TRAINED.items():
        options = {} if way == 'from scratch' else {**init, 'model.backbone.trainable_layers': layers}
        rows[way] = [train(config, {**options, 'data_root': args.data, 'randomness.seed': seed},
                           os.path.join(args.work_dir, f'{way}_{seed}'.replace(' ', '_'))) for seed in args.seeds]
    print(f'\ntop-1 on the test images, seeds {args.seeds}')
    for way, accuracies in rows.items():
        print(f'| {way} | {", ".join(f"{accuracy:.2f}" for accuracy in accuracies)} |')


def train(config: str, options: dict, work_dir: str) -> float:
    """The accuracy after training, in percent."""
    cfg = read_config(config, options, work_dir)
    check_data(cfg, ('train_dataloader', 'val_dataloader'))
    settle(cfg, ('train_dataloader', 'val_dataloader'))
    fit_to_hardware(cfg, 'none')
    runner = build_runner(cfg)
    runner.train()
    return runner.message_hub.get_scalar('val/accuracy/top1').current()


def neighbours(data: str, checkpoint: str) -> float:
    """The accuracy of the nearest neighbours, in percent."""
    features = FrozenFeatures(FINETUNE, dict(data_root=data))
    return 100 * neighbours_accuracy(*features.of(checkpoint), [NEIGHBOURS])[0]


if __name__ == '__main__':
    run_tool(main)
