"""Values that no run can use: refused before anything is built."""
import math
import re
from collections.abc import Callable
from typing import Any

from mmengine.config import Config

from ..checkpoint.architectures import ARCHITECTURES
from ..errors import InputError

Check = Callable[[Any], bool]
INTERPOLATIONS = ('nearest', 'bilinear', 'bicubic', 'area', 'lanczos', 'box', 'hamming')  # mmcv's
METRICS_OF_MASKS = ('mIoU', 'mDice', 'mFscore')
GIVEN_BY = dict(mIoU=('aAcc', 'mIoU', 'mAcc'), mDice=('aAcc', 'mDice', 'mAcc'),
                mFscore=('aAcc', 'mFscore', 'mPrecision', 'mRecall'))
# Part of a model's config -> what a model with it is; one with none of them may be anything.
KINDS = dict(decode_head='segmentor', head='classifier', decoder='model for pre-training',
             teacher='model for pre-training')
# Type of an evaluator -> what it measures.
MEASURED = {'mae_mm.IoUMetric': 'segmentor', 'mae_mm.Accuracy': 'classifier', 'mae_mm.CorruptionError': 'classifier',
            'mae_mm.ReconstructionLoss': 'model for pre-training'}


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _all(check: Check) -> Check:
    return lambda values: all(map(check, values)) if isinstance(values, (list, tuple)) else check(values)


def _from(least: int) -> Check:
    return lambda value: _whole(value) and value >= least


def _or_none(check: Check) -> Check:
    return lambda value: value is None or check(value)


def _pair(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and len(value) == 2 and all(map(_from(1), value))


# Pattern of a setting's path -> what it must be, and how that is said.
VALUES: dict[str, tuple[Check, str]] = {
    r'optim_wrapper\.optimizer\.(lr|weight_decay)': (lambda v: _number(v) and v >= 0, 'a number from 0 on'),
    r'optim_wrapper\.clip_grad\.max_norm': (lambda v: _number(v) and v > 0, 'a number above 0'),
    r'optim_wrapper\.paramwise_cfg\.layer_decay_rate': (lambda v: _number(v) and 0 < v <= 1, 'above 0 and up to 1'),
    r'optim_wrapper\..*(decay|lr)_mult': (lambda v: _number(v) and v >= 0, 'a number from 0 on'),
    r'train_cfg\.(max_iters|max_epochs|val_interval)': (_from(1), 'a whole number from 1 on'),
    r'train_cfg\.val_begin': (_from(0), 'a whole number from 0 on'),
    r'default_hooks\.logger\.interval': (_from(1), 'a whole number from 1 on'),
    r'default_hooks\.checkpoint\.interval': (lambda v: _whole(v) and (v >= 1 or v == -1),
                                             'a whole number from 1 on, or -1 for the last one alone'),
    r'\w+_dataloader\.batch_size': (_from(1), 'a whole number from 1 on'),
    r'train_dataloader\.sampler\.num_views': (_from(1), 'a whole number from 1 on'),
    r'\w+_dataloader\.dataset\.on_broken': (lambda v: v in ('stop', 'replace'), "'stop' or 'replace'"),
    r'\w+_dataloader\.dataset\.max_broken': (lambda v: _number(v) and 0 <= v <= 1, 'a share from 0 to 1'),
    r'\w+_dataloader\.num_workers': (_from(0), 'a whole number from 0 on'),
    r'model(\.module)?\.test_cfg\.mode': (lambda v: v in ('slide', 'whole'), "'slide' or 'whole'"),
    r'model(\.module)?\.test_cfg\.window_batch': (_from(1), 'a whole number from 1 on'),
    r'model(\.module)?\.test_cfg\.logits_dtype': (lambda v: v in ('float32', 'float16'), "'float32' or 'float16'"),
    r'.*data_preprocessor\.mean': (lambda v: v is None or _all(_number)(v), 'numbers'),
    r'.*data_preprocessor\.std': (lambda v: v is None or _all(lambda x: _number(x) and x > 0)(v), 'numbers above 0'),
    r'\w+_evaluator(\.\d+)?\.topk': (lambda v: v not in ([], ()) and _all(_from(1))(v), 'whole numbers from 1 on'),
    r'\w+_evaluator(\.\d+)?\.iou_metrics': (_all(lambda v: v in METRICS_OF_MASKS),
                                            f'a list of {", ".join(METRICS_OF_MASKS)}'),
    r'model\.backbone\.arch': (lambda v: v is None or v in ARCHITECTURES, f'one of {", ".join(ARCHITECTURES)}'),
    r'model\.(backbone|decoder)\.(embed_dims|num_layers|num_heads)': (_or_none(_from(1)), 'a whole number from 1 on'),
    r'model\.backbone\.(patch_size|in_channels)': (_from(1), 'a whole number from 1 on'),
    r'model\.(backbone|decoder)\.mlp_ratio': (_or_none(lambda v: _number(v) and v > 0), 'a number above 0'),
    r'model\.(decode|auxiliary)_head\.channels': (_from(1), 'a whole number from 1 on'),
    r'model\.(decode|auxiliary)_head\.align_corners': (lambda v: isinstance(v, bool), 'True or False'),
    r'model\.decode_head\.pool_scales': (lambda v: isinstance(v, (list, tuple)) and len(v) > 0 and _all(_from(1))(v),
                                          'a list of whole numbers from 1 on'),
    r'model(\.module)?\.test_cfg\.(stride|crop_size)': (_pair, 'two whole numbers from 1 on, height and width'),
    r'model\.norm_pix|resume|.*\.reduce_zero_label|randomness\.(diff_rank_seed|deterministic)': (
        lambda v: isinstance(v, bool), 'True or False'),
    r'default_hooks\.checkpoint\.(by_epoch|save_last|save_optimizer|save_param_scheduler)': (
        lambda v: isinstance(v, bool), 'True or False'),
    r'model\.backbone\.init_cfg\.checkpoint': (_or_none(lambda v: isinstance(v, str)), 'a path or URL, or None'),
    r'env_cfg\.mp_cfg\.mp_start_method': (lambda v: v in ('fork', 'spawn', 'forkserver'),
                                           "'fork', 'spawn' or 'forkserver'"),
    r'default_hooks\.checkpoint\.max_keep_ckpts': (lambda v: _whole(v) and (v >= 1 or v == -1),
                                                    'a whole number from 1 on, or -1 for all'),
    r'param_scheduler(\.\d+)?\.begin': (_from(0), 'a whole number from 0 on'),
    r'param_scheduler(\.\d+)?\.end': (_from(1), 'a whole number from 1 on'),
    r'param_scheduler(\.\d+)?\.(warmup|power|eta_min)': (lambda v: _number(v) and v >= 0, 'a number from 0 on'),
    r'auto_scale_lr\.base_batch_size': (_from(1), 'a whole number from 1 on'),
    r'default_hooks\.checkpoint\.rule': (_all(lambda v: v in (None, 'greater', 'less')), "'greater' or 'less'"),
    r'default_hooks\.check_loss\.(go_back|skips)': (_from(0), 'a whole number from 0 on'),
    r'\w+_dataloader\.dataset\.per_class': (_or_none(_from(1)), 'a whole number from 1 on, or None for all'),
    r'optim_wrapper\.optimizer\.betas': (
        lambda v: isinstance(v, (list, tuple)) and len(v) == 2 and all(_number(x) and 0 <= x < 1 for x in v),
        'two numbers from 0 on and below 1'),
    r'optim_wrapper\.clip_grad\.(norm_type|clip_value)': (lambda v: _number(v) and v > 0, 'a number above 0'),
    r'param_scheduler(\.\d+)?\.min_ratio': (lambda v: _number(v) and 0 <= v <= 1, 'a number from 0 to 1'),
    r'model\.data_preprocessor\.(test_cfg\.)?size': (_or_none(_pair), 'two whole numbers, height and width, or None'),
    r'.*pipeline\..*\bbackend': (lambda v: v in ('cv2', 'pillow'), "'cv2' or 'pillow'"),
    r'.*pipeline\..*\binterpolation': (lambda v: isinstance(v, str) and v in INTERPOLATIONS,
                                       f'one of {", ".join(INTERPOLATIONS)}'),
    r'.*pipeline\..*\.hparams\.pad_val': (lambda v: v is not None and _all(_number)(v), 'a number or a list of them'),
    r'.*pipeline\..*\.cat_max_ratio': (lambda v: _number(v) and 0 < v <= 1, 'above 0 and up to 1'),
    r'.*pipeline\..*\.scale_factor': (_or_none(_all(lambda v: _number(v) and 0 < v <= 100)), 'above 0 and up to 100'),
    r'.*pipeline\..*\.num_policies': (_from(1), 'a whole number from 1 on'),
    r'compile': (lambda v: isinstance(v, bool), 'True, False or a dict of options of torch.compile'),
    r'randomness\.seed': (lambda v: v is None or _from(0)(v), 'None or a whole number from 0 on'),
}


def check_values(cfg: Config) -> None:
    """Compare the settings of a config with what they must be, and with each other.

    Raises:
        ValueError: with the path of a setting, its value, and what it must be.
    """
    # The run's length first: others are computed from it.
    for path, value in sorted(_settings(cfg._cfg_dict, ''), key=lambda pair: not pair[0].startswith('train_cfg.')):
        for pattern, (check, said) in VALUES.items():
            if re.fullmatch(pattern, path) and not check(value):
                raise InputError(f'{path}={value!r} is not {said}')
    preprocessor = (cfg.get('model') or {}).get('data_preprocessor') or {}
    mean, std = preprocessor.get('mean'), preprocessor.get('std')
    if mean is not None and std is not None and len(mean) != len(std):
        raise InputError(f'model.data_preprocessor has {len(mean)} means and {len(std)} deviations')
    channels = ((cfg.get('model') or {}).get('backbone') or {}).get('in_channels', 3)
    if mean is not None and len(mean) not in (1, channels):
        raise InputError(f'model.data_preprocessor has {len(mean)} means for images of {channels} bands '
                         '(model.backbone.in_channels)')
    _check_metrics(cfg)
    check_save_best(cfg)


def _settings(node: Any, path: str) -> list[tuple[str, Any]]:
    """``(path, value)`` of every setting; lists of plain values are one."""
    if isinstance(node, dict):
        return [pair for key, value in node.items() for pair in _settings(value, f'{path}.{key}'.lstrip('.'))]
    if isinstance(node, (list, tuple)) and any(isinstance(value, (dict, list, tuple)) for value in node):
        return [pair for i, value in enumerate(node) for pair in _settings(value, f'{path}.{i}')]
    return [(path, node)]


def _metrics_of(evaluator: Any) -> tuple[str, ...] | None:
    """The names that an evaluator gives; None if it is not known here."""
    kind = evaluator.get('type')
    if kind == 'mae_mm.IoUMetric':
        wanted = evaluator.get('iou_metrics', ['mIoU'])
        return tuple(name for metric in ([wanted] if isinstance(wanted, str) else wanted) for name in GIVEN_BY[metric])
    if kind == 'mae_mm.Accuracy':
        topk = evaluator.get('topk', 1)
        return tuple(f'accuracy/top{k}' for k in (topk if isinstance(topk, (list, tuple)) else [topk]))
    return {'mae_mm.ReconstructionLoss': ('held_out_mse', ), 'mae_mm.CorruptionError': ('mCE', 'top1')}.get(kind)


def _evaluators(cfg: Config, name: str) -> list[Any]:
    found: Any = cfg.get(name) or []
    return list(found) if isinstance(found, (list, tuple)) else [found]


def check_save_best(cfg: Config) -> None:
    """See that the metric that the best checkpoint is chosen by is one that is measured.

    Raises:
        ValueError: with those that are.
    """
    wanted = ((cfg.get('default_hooks') or {}).get('checkpoint') or {}).get('save_best')
    given = [_metrics_of(evaluator) for evaluator in _evaluators(cfg, 'val_evaluator')]
    names = [name for of_one in given for name in of_one or ()]
    for name in [wanted] if isinstance(wanted, str) else wanted or ():
        if given and None not in given and name not in ('auto', *names):
            raise InputError(f'default_hooks.checkpoint.save_best={name!r} is not a metric of val_evaluator; there '
                             f'are {", ".join(dict.fromkeys(names))}')


def _check_metrics(cfg: Config) -> None:
    """Refuse to measure a model by what it does not predict."""
    model = (cfg.get('model') or {}).get('module') or cfg.get('model') or {}
    kind = next((said for part, said in KINDS.items() if part in model), None)
    for name in ('val_evaluator', 'test_evaluator'):
        for evaluator in _evaluators(cfg, name):
            measured = MEASURED.get(evaluator.get('type'))
            if kind and measured and measured != kind:
                raise InputError(f'{name}.type={evaluator.type} measures a {measured}, and model.type='
                                 f'{model.get("type")} is a {kind}')
