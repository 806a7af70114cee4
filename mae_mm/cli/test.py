"""Test a model.

    mae-mm test CONFIG CHECKPOINT [--eval mIoU ...] [--on imagenet-a] [--out DIR] [--show-dir DIR] [--tta]
"""
import argparse
from collections.abc import Sequence

from mmengine.config import Config
from mmengine.dist import is_main_process

from ..apis.report import write_report
from ..config.checks import check_data
from ..config.hardware import fit_to_hardware
from ..config.names import resources
from ..config.reading import read_config
from ..config.sections import TESTING, check_needed
from ..config.settle import settle
from ..engine.building import build_runner
from ..errors import InputError
from ..outputs import check_apart, check_writable, make_folder
from .common import add_config, add_run_options

EVALUATION = resources() / 'configs/_base_/evaluation'


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description='Test a model')
    add_config(parser)
    add_run_options(parser)
    parser.add_argument('checkpoint', help='a checkpoint file or URL')
    parser.add_argument('--eval', nargs='+', choices=('mIoU', 'mDice', 'mFscore'),
                        help='metrics of a segmentor; default: those of the config, mIoU')
    parser.add_argument('--on', choices=evaluation_sets(), help='test a classifier of ImageNet-1K on another data set')
    parser.add_argument('--out', metavar='DIR',
                        help='write predictions there: label maps as PNG, or the classes as predictions.csv')
    parser.add_argument('--show-dir', metavar='DIR', help='write pictures there: image, label, prediction')
    parser.add_argument('--amp', action='store_true', help='mixed precision (float16) on a GPU')
    parser.add_argument('--tta', action='store_true',
                        help='average several scales and flips, as tta_pipeline in the config says')
    args = parser.parse_args(argv)

    cfg = read_config(args.config, dict(args.cfg_options or {}, load_from=args.checkpoint), args.work_dir,
                      args.on and f'{EVALUATION}/{args.on}.py')
    check_needed(cfg, TESTING)
    for folder in filter(None, (cfg.work_dir, args.out, args.show_dir)):
        check_writable(folder)
    set_up_test(cfg, args)
    check_data(cfg, ('test_dataloader', ))
    settle(cfg, ('test_dataloader', ))
    fit_to_hardware(cfg, args.launcher)
    make_folder(cfg.work_dir)
    runner = build_runner(cfg)
    metrics = runner.test()
    if is_main_process():
        path = write_report(metrics, runner.test_loop.evaluator.metrics, cfg.work_dir, config=args.config,
                            checkpoint=args.checkpoint)
        runner.logger.info(f'These figures are in {path}')


def evaluation_sets() -> list[str]:
    return sorted(path.stem for path in EVALUATION.glob('*.py'))  # an installed package has __pycache__ there


def set_up_test(cfg: Config, args: argparse.Namespace) -> None:
    """Put the command line's wishes into the config."""
    if args.amp:
        cfg.test_cfg.fp16 = True
    if args.tta:
        for key in ('tta_model', 'tta_pipeline'):
            if key not in cfg:
                raise InputError(f'{args.config} has no {key}, which --tta needs')
        cfg.test_dataloader.dataset.pipeline = cfg.tta_pipeline
        cfg.model = dict(cfg.tta_model, module=cfg.model)
    segments = cfg.test_evaluator.type == 'mae_mm.IoUMetric'
    if args.eval and not segments:
        raise InputError(f'{args.config}: --eval is for segmentors')
    if args.eval:
        cfg.test_evaluator.iou_metrics = args.eval
    if args.out and not segments and cfg.test_evaluator.type != 'mae_mm.Accuracy':
        raise InputError(f'{args.config}: --out is for segmentors, and for classifiers measured by mae_mm.Accuracy')
    if args.out and not segments:
        check_apart(args.out, cfg.test_dataloader.dataset.get('data_root'))
        cfg.test_evaluator.out_dir = args.out
    for kind, folder in (('SaveLabelsHook', args.out if segments else None), ('SavePicturesHook', args.show_dir)):
        if folder:
            cfg.setdefault('custom_hooks', []).append(dict(type=f'mae_mm.{kind}', out_dir=folder))
