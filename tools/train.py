"""Train a model: ``python tools/train.py CONFIG [--resume [CHECKPOINT]] [--work-dir DIR] [--cfg-options ...]``."""
import argparse
from collections.abc import Sequence

try:
    from mae_mm.engine.checks import check_data
    from mae_mm.engine.cli import add_common_options, build_runner, run_tool
    from mae_mm.engine.config import read_config
    from mae_mm.engine.hardware import fit_to_hardware
    from mae_mm.engine.resume import latest_checkpoint
except ImportError as error:
    raise SystemExit(f'error: {error}') from None


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description='Train a model')
    add_common_options(parser)
    parser.add_argument('--resume', nargs='?', const='latest', metavar='CHECKPOINT',
                        help='go on from a checkpoint; without a name, from the latest one in the work dir')
    args = parser.parse_args(argv)

    cfg = read_config(args.config, args.cfg_options, args.work_dir)
    if args.resume:
        cfg.resume = True
        cfg.load_from = latest_checkpoint(cfg.work_dir) if args.resume == 'latest' else args.resume
    check_data(cfg, ('train_dataloader', 'val_dataloader'))
    fit_to_hardware(cfg, args.launcher)
    build_runner(cfg).train()


if __name__ == '__main__':
    run_tool(main)
