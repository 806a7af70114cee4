"""What a run says of itself before its first step."""
import os
from typing import Any

from mmengine.device import get_device
from mmengine.dist import get_world_size
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.optim import AmpOptimWrapper
from mmengine.runner import EpochBasedTrainLoop

from ..registry import HOOKS


@HOOKS.register_module()
class SummaryHook(Hook):
    """Logs in a few lines what is trained, on what and for how long; the whole config is in the log file."""
    priority = 'VERY_HIGH'

    def before_train(self, runner: Any) -> None:
        name = os.path.basename(runner.cfg.filename or runner.experiment_name)
        lines = dict(results=runner.work_dir, log=os.path.join(runner.log_dir, f'{runner.timestamp}.log'),
                     data=_data(runner), model=_model(runner), device=_device(runner), schedule=_schedule(runner))
        told = [f'  {what:<9} {text}' for what, text in lines.items()]
        runner.logger.info('\n'.join([f'Training of {name}', *told]))


def counted(number: int, noun: str) -> str:
    return f'{number:,} {noun}' + ('' if number == 1 else 's')


def _data(runner: Any) -> str:
    dataset = runner.train_dataloader.dataset
    classes = len((getattr(dataset, 'metainfo', None) or {}).get('classes') or ())
    parts = [counted(len(dataset), 'image') + ' for training']
    if runner.val_loop is not None:
        parts.append(f'{len(runner.val_dataloader.dataset):,} for validation')
    return ', '.join(parts) + (f'; {classes} classes' if classes else '')


def _model(runner: Any) -> str:
    model = runner.model.module if is_model_wrapper(runner.model) else runner.model
    total, trained = (f'{sum(p.numel() for p in model.parameters() if p.requires_grad or every) / 1e6:.2f} M'
                      for every in (True, False))
    start = runner._load_from or (getattr(model.backbone, 'init_cfg', None) or {}).get('checkpoint')
    some = f', {trained} of them trained' if trained != total else ''
    weights = f'{"resumed" if runner._resume else "starts"} from {start}' if start else 'random weights'
    return f'{type(model).__name__}, {total} parameters{some}; {weights}'


def _device(runner: Any) -> str:
    wrapper = runner.optim_wrapper
    precision = 'float32'
    if isinstance(wrapper, AmpOptimWrapper):
        precision = f'mixed precision ({str(wrapper.cast_dtype or "float16").removeprefix("torch.")})'
    processes = get_world_size()
    return f'{get_device()}, {precision}' + (f', {processes} processes' if processes > 1 else '')


def _schedule(runner: Any) -> str:
    steps = len(runner.train_dataloader)
    length = (f'{counted(runner.max_epochs, "epoch")} of {counted(steps, "iteration")}'
              if isinstance(runner.train_loop, EpochBasedTrainLoop) else counted(runner.max_iters, 'iteration'))
    batch = runner.train_dataloader.batch_size * get_world_size()
    rate = max(group.get('initial_lr', group['lr']) for group in runner.optim_wrapper.param_groups)
    parts = runner.optim_wrapper._accumulative_counts
    return (f'{length}; batches of {counted(batch, "image")}' + (f', {parts} for each step' if parts > 1 else '')
            + f'; learning rate at most {rate:.3g}')
