"""Small training runs in forked processes, for crash_test.py and soak_test.py."""
import contextlib
import functools
import os
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np

from mae_mm.cli.common import run_tool
from mae_mm.cli.train import main as train

CRASHED = 70  # an exit status that nothing else has
SMALL = ['model.backbone.arch=None', 'model.backbone.patch_size=8', 'model.backbone.embed_dims=64',
         'model.backbone.num_layers=4', 'model.backbone.num_heads=4', 'train_dataloader.num_workers=1',
         'val_dataloader.num_workers=0', 'val_dataloader.persistent_workers=False', 'randomness.seed=0',
         'batch_size=4', 'default_hooks.checkpoint.minutes=0.002',
         'default_hooks.logger.interval=1000']
KINDS = {
    'pretrain': ('pretrain/mae_vit_folder', ['img_size=32', 'max_epochs=6', 'interval=1', *SMALL]),
    'segment': ('mae/upernet_folder', [
        'crop_size=32,32', 'max_iters=24', 'interval=6', 'model.backbone.init_cfg=None', 'width=64',
        'model.backbone.out_indices=[0,1,2,3]', 'head_channels=16', *SMALL])}


def make_data(root: Path) -> None:
    """Random images and label maps of three classes, for both kinds of runs."""
    rng = np.random.default_rng(0)
    for kind, size, top in (('images', (40, 48, 3), 256), ('labels', (40, 48), 3)):
        (root / kind).mkdir(parents=True)
        for i in range(24):
            cv2.imwrite(str(root / kind / f'{i:02d}.png'), rng.integers(top, size=size).astype(np.uint8))


def start(kind: str, data: Path, work_dir: Path, processes: int, more: Sequence[str] = (),
          seconds_behind: float = 0.) -> list[int]:
    """Fork the processes of a run that starts or goes on; their ids."""
    config, options = KINDS[kind]
    root = data / 'images' if kind == 'pretrain' else data
    argv = [config, '--work-dir', str(work_dir), '--resume', 'auto', '--cfg-options', f'data_root={root}', *options,
            *more]
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = free.getsockname()[1]
    pids = []
    for rank in range(processes):
        pid = os.fork()
        if pid:
            pids.append(pid)
            continue
        os.setpgid(0, 0)
        sys.stdout = sys.stderr = open(work_dir.with_suffix(f'.{rank}.log'), 'w')
        time.time = functools.partial(_behind, time.time, seconds_behind)
        if processes > 1:
            os.environ.update(RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE=str(processes),
                              MASTER_ADDR='127.0.0.1', MASTER_PORT=str(port))
            argv = [*argv[:3], '--launcher', 'pytorch', *argv[3:]]
        status = CRASHED
        try:
            run_tool(train, argv)
        except SystemExit as ended:
            status = int(ended.code or 0)
        finally:
            if status == CRASHED:
                traceback.print_exc()
            sys.stdout.flush()
            os._exit(status)
    return pids


def _behind(now: Callable[[], float], seconds: float) -> float:
    return now() - seconds


def end(pids: list[int]) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    for pid in pids:
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, 0)


def ended(pids: list[int]) -> int | None:
    """The exit status of the first process that failed, 0 when all have ended well, else None."""
    for pid in list(pids):
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            pids.remove(pid)
            if status:
                end(pids)
                return os.waitstatus_to_exitcode(status)
    return None if pids else 0


def children_of(pid: int) -> list[int]:
    with contextlib.suppress(OSError):
        return [int(child) for child in Path(f'/proc/{pid}/task/{pid}/children').read_text().split()]
    return []
