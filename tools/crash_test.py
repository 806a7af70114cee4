"""Kill training runs at random moments, half of them inside a save, resume them, and compare with runs left alone.

    python tools/crash_test.py [--kills 100] [--processes 1] [--kinds pretrain segment] [--seed 0]

Runs are forks of this process, on images that it makes in a temporary folder. Exits with 1 if a resumed run differs.
"""
import argparse
import glob
import os
import random
import signal
import socket
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
import torch

from mae_mm.cli.train import main as train
from mae_mm.progress import progress_of

TOLERANCE = {1: 0., 2: 1e-6}  # processes -> of weights
SMALL = ['model.backbone.arch=None', 'model.backbone.patch_size=8', 'model.backbone.embed_dims=64',
         'model.backbone.num_layers=4', 'model.backbone.num_heads=4', 'train_dataloader.num_workers=0',
         'train_dataloader.persistent_workers=False', 'val_dataloader.num_workers=0',
         'val_dataloader.persistent_workers=False', 'randomness.seed=0', 'batch_size=4',
         'default_hooks.checkpoint.minutes=0.002', 'default_hooks.logger.interval=1000']
KINDS = {
    'pretrain': ('pretrain/mae_vit_folder', ['img_size=32', 'max_epochs=6', 'interval=1', *SMALL]),
    'segment': ('mae/upernet_folder', [
        'crop_size=32,32', 'max_iters=24', 'interval=6', 'model.backbone.init_cfg=None', 'width=64',
        'model.backbone.out_indices=[0,1,2,3]', 'head_channels=16', *SMALL])}
FINAL = {'pretrain': 'epoch_6.pth', 'segment': 'iter_24.pth'}


def make_data(root: Path) -> None:
    """Random images and label maps of three classes, for both kinds of runs."""
    rng = np.random.default_rng(0)
    for kind, size, top in (('images', (40, 48, 3), 256), ('labels', (40, 48), 3)):
        (root / kind).mkdir(parents=True)
        for i in range(24):
            cv2.imwrite(str(root / kind / f'{i:02d}.png'), rng.integers(top, size=size).astype(np.uint8))


def start(kind: str, data: Path, work_dir: Path, processes: int) -> list[int]:
    """Fork the processes of a run that starts or goes on; their ids."""
    config, options = KINDS[kind]
    root = data / 'images' if kind == 'pretrain' else data
    argv = [config, '--work-dir', str(work_dir), '--resume', 'auto', '--cfg-options', f'data_root={root}', *options]
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
        sys.stdout = sys.stderr = open(work_dir.with_suffix(f'.{rank}.log'), 'a')
        if processes > 1:
            os.environ.update(RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE=str(processes),
                              MASTER_ADDR='127.0.0.1', MASTER_PORT=str(port))
            argv = [*argv[:3], '--launcher', 'pytorch', *argv[3:]]
        status = 1
        try:
            train(argv)
            status = 0
        finally:
            sys.stdout.flush()
            os._exit(status)
    return pids


def wait(pids: list[int], seconds: float | None, work_dir: Path, in_save: bool) -> bool | None:
    """Wait for a run; kill it after ``seconds``. None: it ended by itself; else whether it was inside a save."""
    begin = time.monotonic()
    left = set(pids)
    while left:
        for pid in list(left):
            done, status = os.waitpid(pid, os.WNOHANG)
            if done and status:
                raise SystemExit(f'error: a run failed; see {work_dir}.*.log')
            left -= {done}
        saving = bool(glob.glob(f'{work_dir}/*.unfinished'))
        late = seconds is not None and time.monotonic() - begin > seconds
        if left and late and (saving or not in_save):
            if in_save:
                time.sleep(random.uniform(0, .004))
            inside = bool(glob.glob(f'{work_dir}/*.unfinished'))
            for pid in left:
                os.kill(pid, signal.SIGKILL)
            for pid in left:
                os.waitpid(pid, 0)
            return inside
        time.sleep(.0002 if in_save and late else .005)
    return None


def main() -> None:
    parser = argparse.ArgumentParser(description='Kill training runs, resume them, compare them with others')
    parser.add_argument('--kills', type=int, default=100, help='of each kind of run')
    parser.add_argument('--processes', type=int, default=1, choices=(1, 2))
    parser.add_argument('--kinds', nargs='+', choices=tuple(KINDS), default=tuple(KINDS))
    parser.add_argument('--seed', type=int, default=0)
    args = parser.parse_args()
    random.seed(args.seed)
    torch.set_num_threads(1)
    worst = 0.
    with tempfile.TemporaryDirectory() as folder:
        make_data(Path(folder) / 'data')
        for kind in args.kinds:
            worst = max(worst, campaign(kind, Path(folder), args.kills, args.processes))
    sys.exit(0 if worst <= TOLERANCE[args.processes] else 1)


def campaign(kind: str, folder: Path, wanted: int, processes: int) -> float:
    """Kill runs of a kind until there were so many; the largest difference at their ends."""
    straight = folder / f'{kind}_straight'
    begin = time.monotonic()
    wait(start(kind, folder / 'data', straight, processes), None, straight, False)
    duration = time.monotonic() - begin
    kills, inside, runs, difference = 0, 0, 0, 0.
    with progress_of(wanted) as progress:
        while kills < wanted:
            work_dir, killed = folder / f'{kind}_{runs}', None
            runs += 1
            while True:
                limit = random.uniform(0, duration) if kills < wanted else None
                pids = start(kind, folder / 'data', work_dir, processes)
                killed = wait(pids, limit, work_dir, random.random() < .5)
                if killed is None:
                    break
                kills, inside = kills + 1, inside + killed
                progress.update()
            difference = max(difference, compare(straight / FINAL[kind], work_dir / FINAL[kind]))
    print(f'{kind}, {processes} process(es): {kills} kills, {inside} of them inside a save; {runs} runs resumed to '
          f'the end; largest difference from the run left alone {difference:.1e}')
    return difference


def compare(one: Path, other: Path) -> float:
    """The largest difference between the weights and optimizer states of two checkpoints."""
    a, b = (torch.load(path, weights_only=True) for path in (one, other))
    pairs = [(a['state_dict'][name], b['state_dict'][name]) for name in a['state_dict']]
    pairs += [(state['exp_avg'], b['optimizer']['state'][key]['exp_avg']) for key, state in
              a['optimizer']['state'].items()]
    return max((x.double() - y.double()).abs().max().item() for x, y in pairs if x.numel())


if __name__ == '__main__':
    main()
