"""Train a model.

    mae-mm train CONFIG [--resume [CHECKPOINT]] [--work-dir DIR] [--auto-scale-lr] [--vis tensorboard wandb]
                        [--cfg-options ...]
"""
import argparse
from collections.abc import Sequence

from mmengine.config import Config

from ..config.checks import check_data, check_work_dir
from ..config.hardware import fit_to_hardware
from ..config.labels import look_at_labels
from ..config.reading import read_config
from ..config.resumed import check_resumed
from ..config.sections import TRAINING, check_needed
from ..config.settle import settle
from ..config.shapes import check_shapes
from ..config.vis import VIS_BACKENDS, add_vis_backends
from ..engine.building import build_runner
from ..engine.losses import BadLoss, forget_left_out
from ..engine.resume import checkpoints_in, last_of_run, latest_checkpoint
from ..engine.runner import Runner
from ..engine.workdir import claimed
from ..errors import Incomplete, InputError
from .common import add_config, add_run_options


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description='Train a model')
    add_config(parser)
    add_run_options(parser)
    parser.add_argument('--resume', nargs='?', const='latest', metavar='CHECKPOINT',
                        help='continue from a checkpoint, by default the latest one in the work dir; "auto" also '
                             'starts a run that has none')
    parser.add_argument('--overwrite', action='store_true',
                        help='remove the checkpoints of an earlier run from the work dir')
    parser.add_argument('--auto-scale-lr', action='store_true',
                        help='scale the learning rate by the batch of all processes over '
                             'auto_scale_lr.base_batch_size')
    parser.add_argument('--vis', nargs='+', choices=tuple(VIS_BACKENDS), default=(),
                        help='also log losses, rates and pictures there (WANDB_MODE=offline needs no account)')
    args = parser.parse_args(argv)

    cfg = read_config(args.config, args.cfg_options, args.work_dir)
    check_needed(cfg, TRAINING)
    check_shapes(cfg)
    start = resumed_from(args.resume, cfg.work_dir, args.overwrite)
    if start is not None:
        cfg.resume, cfg.load_from = True, start
    if args.auto_scale_lr:
        if 'auto_scale_lr' not in cfg:
            raise InputError(f'{args.config} has no auto_scale_lr.base_batch_size, which --auto-scale-lr needs')
        cfg.auto_scale_lr.enable = True
    add_vis_backends(cfg, args.vis)
    check_data(cfg, ('train_dataloader', 'val_dataloader'))
    if start is None:
        check_work_dir(cfg)
    settle(cfg, ('train_dataloader', 'val_dataloader'))
    look_at_labels(cfg, ('train_dataloader', 'val_dataloader'))
    fit_to_hardware(cfg, args.launcher)
    differs = check_resumed(cfg, start) if start is not None else None
    with claimed(cfg.work_dir, start, args.overwrite, sources_of(cfg)) as in_the_way:
        if start is None:
            forget_left_out(cfg.work_dir)
        runner = build_runner(cfg)
        runner.in_the_way = in_the_way
        if differs:
            runner.logger.warning(differs)
        following = _trained(runner)
        while following is not None:
            following = _trained(following)


def _trained(runner: Runner) -> Runner | None:
    """Train; the runner that goes on where the loss was not finite and the run may go back."""
    try:
        runner.train()
        return None
    except (KeyboardInterrupt, Incomplete) as stopped:
        last = last_of_run(runner)
        remedy = [f'{last} is there: the same command with --resume goes on from it'] if last else []
        if isinstance(stopped, Incomplete):
            raise Incomplete('; '.join([str(stopped), *remedy])) from None
        raise KeyboardInterrupt(*remedy) from None
    except BadLoss as bad:
        last = last_of_run(runner)
        runner.logger.error(f'{bad}; the run goes on from {last or "its start"}, without these iterations')
        cfg = runner.cfg
        cfg.randomness = dict(cfg.get('randomness', {}), seed=runner.seed)
        if last:
            cfg.resume, cfg.load_from = True, last
        return build_runner(cfg)


def sources_of(cfg: Config) -> list[str]:
    """The files that a new run starts from."""
    start = (cfg.model.get('backbone') or {}).get('init_cfg')
    named = [cfg.get('load_from'), start.get('checkpoint') if isinstance(start, dict) else None]
    return [name for name in named if isinstance(name, str)]


def resumed_from(asked: str | None, work_dir: str, overwrite: bool = False) -> str | None:
    """The checkpoint that ``--resume`` names; None for a new run.

    Raises:
        ValueError: there is none, or ``--overwrite`` would remove it.
    """
    if asked is None or (asked == 'auto' and not checkpoints_in(work_dir)):
        return None
    start = latest_checkpoint(work_dir) if asked in ('auto', 'latest', '') else asked
    if overwrite:
        raise InputError(f'--overwrite removes {start}, which --resume goes on from: give one of the two')
    return start
