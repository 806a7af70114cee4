"""Fitting a config to the machine: what needs an accelerator is replaced where there is none."""
import logging
import os
import warnings
from typing import Any

import torch
import torch.distributed
from mmengine.config import Config, ConfigDict
from mmengine.device import get_device
from mmengine.logging import print_log

from ..errors import InputError
from .reading import LOADERS

FUSED = ('Adam', 'AdamW', 'SGD')  # optimizers that have one kernel for all parameters


def fit_to_hardware(cfg: Config, launcher: str) -> None:
    """Change a config in place so that it runs here, and join the processes that the launcher started.

    Data loaders get no more workers than a process has cores and, where there is an accelerator, page-locked memory;
    mixed precision of ``dtype='auto'`` is bfloat16 where the card has it, else float16, and the optimizer is PyTorch's
    fused one. Without an accelerator, and on Apple's: mixed
    precision becomes float32 (one warning), SyncBN becomes BN with synchronised buffers, and processes talk through
    gloo.

    Raises:
        ValueError: a launcher that needs an accelerator, or one that did not start this process.
    """
    cfg.launcher = launcher
    if launcher == 'pytorch' and 'RANK' not in os.environ:
        raise InputError('--launcher pytorch is for processes that torchrun starts; use tools/dist_train.sh or '
                         'tools/dist_test.sh')
    cores = cores_of_process(launcher)
    for name in LOADERS:
        if cfg.get(name):
            cfg[name].num_workers = min(cfg[name].get('num_workers', 0), cores)
            if get_device() != 'cpu':
                cfg[name].setdefault('pin_memory', True)
    if 'model_wrapper_cfg' in cfg:  # as mmengine has it without one
        cfg.model_wrapper_cfg.setdefault('broadcast_buffers', False)
        cfg.model_wrapper_cfg.setdefault('find_unused_parameters', cfg.get('find_unused_parameters', False))
    wrapper = cfg.get('optim_wrapper', {})
    optimizer = wrapper.get('optimizer', {})
    if launcher == 'none' and optimizer.get('type') == 'ZeroRedundancyOptimizer' and 'optimizer_type' in optimizer:
        optimizer.type = optimizer.pop('optimizer_type')  # there is no other process to share its states with
    device = get_device()
    if device == 'cuda':
        if wrapper.get('dtype') == 'auto':  # emulated, as on Turing, bfloat16 is slower than float32
            fast = torch.cuda.is_bf16_supported(including_emulation=False)
            wrapper.dtype = 'bfloat16' if fast else 'float16'
        if wrapper.get('dtype') == 'bfloat16' and wrapper.get('loss_scale') == 'dynamic':
            wrapper.loss_scale = dict(enabled=False)  # it has float32's range, and a scaler would wait for each step
        if wrapper.get('optimizer', {}).get('type') in FUSED:
            wrapper.optimizer.setdefault('fused', True)
    if device not in ('cpu', 'mps'):
        return
    if launcher not in ('none', 'pytorch'):
        raise InputError(f'--launcher {launcher} needs an accelerator; on this machine use tools/dist_train.sh')
    mixed = bool((cfg.get('test_cfg') or {}).pop('fp16', False))
    if wrapper.get('type') == 'AmpOptimWrapper':
        wrapper['type'], mixed = 'OptimWrapper', True
        for key in ('loss_scale', 'dtype'):
            wrapper.pop(key, None)
    if mixed:
        if int(os.environ.get('RANK', 0)) == 0:
            why = 'No accelerator on this machine' if device == 'cpu' else 'The accelerator is not a CUDA card'
            print_log(f'{why}: mixed precision is off, this runs in float32.', level=logging.WARNING)
    _replace_sync_bn(cfg._cfg_dict)
    if launcher == 'pytorch':
        _join_with_gloo(cfg)


def cores_of_process(launcher: str) -> int:
    """The cores for each process of this machine; Slurm says how many a task has, and mostly binds it to them."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count() or 1
    if launcher == 'slurm':
        return min(cores, int(os.environ.get('SLURM_CPUS_PER_TASK') or cores))
    return max(cores // int(os.environ.get('LOCAL_WORLD_SIZE') or 1), 1)


def _replace_sync_bn(node: Any) -> None:
    """SyncBN runs on accelerators only; the statistics are synchronised by ``SyncBuffersHook`` instead."""
    if isinstance(node, dict):
        if node.get('type') == 'SyncBN':
            node['type'] = 'BN'
        for value in node.values():
            _replace_sync_bn(value)
    elif isinstance(node, (list, tuple)):
        for value in node:
            _replace_sync_bn(value)


def _join_with_gloo(cfg: Config) -> None:
    """What mmengine would do, without the CUDA devices that it takes for granted."""
    if not torch.distributed.is_initialized():
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
            torch.distributed.init_process_group('gloo')
    cfg.setdefault('model_wrapper_cfg', ConfigDict(
        find_unused_parameters=cfg.get('find_unused_parameters', False), broadcast_buffers=False))
    cfg.model_wrapper_cfg.device_ids = None
    cfg.setdefault('custom_hooks', []).append(dict(type='mae_mm.SyncBuffersHook', priority='ABOVE_NORMAL'))
