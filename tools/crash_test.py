"""Break training runs at random moments, resume them, and compare their ends with those of runs left alone.

    python tools/crash_test.py [--breaks 100] [--faults kill worker disk] [--processes 1] [--kinds pretrain segment]

``kill`` kills all processes of a run, half of the times inside a save; ``worker`` a worker of its data loader, which
has to end the run in one line; ``disk`` lets a run meet a full disk (a small tmpfs, which only root can mount). The
clock of every second run is an hour behind. Runs are forks of this process, on images that it makes in a temporary
folder. Exits with 1 if a run that goes on ends otherwise than one that was left alone.
"""
import argparse
import contextlib
import glob
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import torch
from small_runs import KINDS, children_of, end, ended, make_data, start

from mae_mm.progress import progress_of

TOLERANCE = {1: 0., 2: 1e-6}  # processes -> of weights
DISK_MIB = 96  # of the disk that is full at first
FINAL = {'pretrain': 'epoch_6.pth', 'segment': 'iter_24.pth'}


def broken(pids: list[int], fault: str | None, seconds: float, work_dir: Path) -> str | None:
    """Let a run meet a fault after some seconds: 'kill', 'inside a save' or 'worker'; None if it has ended before."""
    begin, in_save = time.monotonic(), random.random() < .5
    while True:
        status = ended(pids)
        if status == 0:
            return None
        if status is not None:
            raise SystemExit(f'error: a run failed with status {status}; see {keep(work_dir)}')
        late = fault is not None and time.monotonic() - begin > seconds
        saving = bool(glob.glob(f'{work_dir}/*.unfinished'))
        workers = children_of(pids[0]) if late and fault == 'worker' else []
        if workers:
            with contextlib.suppress(ProcessLookupError):
                os.kill(random.choice(workers), signal.SIGKILL)
            return lost_worker(pids, work_dir)
        if late and fault == 'kill' and (saving or not in_save):
            if in_save:
                time.sleep(random.uniform(0, .004))
            inside = bool(glob.glob(f'{work_dir}/*.unfinished'))
            end(pids)
            return 'inside a save' if inside else 'kill'
        time.sleep(.0002 if in_save and late else .005)


def lost_worker(pids: list[int], work_dir: Path) -> str | None:
    """Wait for a run that has lost a worker: it ends in one line, or, if all data had been read, as if nothing was."""
    status, begin = None, time.monotonic()
    while status is None:
        if time.monotonic() - begin > 60:
            raise SystemExit(f'error: a run hangs without its worker; see {keep(work_dir)}')
        time.sleep(.005)
        status = ended(pids)
    log = work_dir.with_suffix('.0.log').read_text()
    if status not in (0, 1) or 'Traceback' in log or (status and "a data loader's worker ended" not in log):
        raise SystemExit(f'error: a run that lost a worker ended with {status}; see {keep(work_dir)}')
    return 'worker' if status else None


def keep(work_dir: Path) -> str:
    """Copy a run's logs out of the temporary folder."""
    folder = tempfile.mkdtemp(prefix='crash_test_')
    for path in work_dir.parent.glob(f'{work_dir.name}.*.log'):
        shutil.copy(path, folder)
    return folder


def full_disk(kind: str, folder: Path, processes: int) -> Path:
    """A run on a disk that is full until it has said so; it goes on, or is resumed. Its last checkpoint."""
    work_dir, log = folder / f'{kind}_disk', folder / f'{kind}_disk.0.log'
    work_dir.mkdir()
    if subprocess.run(['mount', '-t', 'tmpfs', '-o', f'size={DISK_MIB}m', 'tmpfs', str(work_dir)],
                      capture_output=True).returncode:
        raise SystemExit('error: --faults disk mounts a tmpfs, which needs root')
    try:
        filler = work_dir / 'filler'
        filler.write_bytes(b'0' * (DISK_MIB * 2**20 - 200_000))
        pids = start(kind, folder / 'data', work_dir, processes)
        while (status := ended(pids)) is None:
            if filler.exists() and log.exists() and 'No space left on device' in log.read_text():
                filler.unlink()
            time.sleep(.01)
        if filler.exists() or 'Traceback' in log.read_text():
            raise SystemExit(f'error: a full disk was not told in a line; see {keep(work_dir)}')
        if status:  # it met the last save
            broken(start(kind, folder / 'data', work_dir, processes), None, 0, work_dir)
        return Path(shutil.copy(work_dir / FINAL[kind], folder / f'{kind}_disk.pth'))
    finally:
        subprocess.run(['umount', str(work_dir)], check=True)


def main() -> None:
    parser = argparse.ArgumentParser(description='Break training runs, resume them, compare them with others')
    parser.add_argument('--breaks', type=int, default=100, help='by kill and worker, of each kind of run')
    parser.add_argument('--faults', nargs='+', choices=('kill', 'worker', 'disk'), default=('kill', 'worker'))
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
            worst = max(worst, campaign(kind, Path(folder), args.breaks, args.processes, args.faults))
    sys.exit(0 if worst <= TOLERANCE[args.processes] else 1)


def campaign(kind: str, folder: Path, wanted: int, processes: int, faults: Sequence[str]) -> float:
    """Break runs of a kind until there were so many; the largest difference at their ends."""
    straight, met = folder / f'{kind}_straight', Counter[str]()
    begin = time.monotonic()
    broken(start(kind, folder / 'data', straight, processes), None, 0, straight)
    duration, runs, differences = time.monotonic() - begin, 0, [0.]
    kinds = [fault for fault in faults if fault != 'disk']
    with progress_of(wanted) as progress:
        while kinds and met.total() < wanted:
            work_dir, fault = folder / f'{kind}_{runs}', ''
            runs += 1
            while fault is not None:
                behind = 3600. * (met.total() % 2)
                pids = start(kind, folder / 'data', work_dir, processes, seconds_behind=behind)
                asked = random.choice(kinds) if met.total() < wanted else None
                fault = broken(pids, asked, random.uniform(0, duration), work_dir)
                if fault:
                    met[fault] += 1
                    progress.update()
            differences.append(compare(straight / FINAL[kind], work_dir / FINAL[kind]))
    if 'disk' in faults:
        differences.append(compare(straight / FINAL[kind], full_disk(kind, folder, processes)))
        met['disk'] += 1
    print(f'{kind}, {processes} process(es): {", ".join(f"{name} {number}" for name, number in met.items())}; {runs} '
          f'runs resumed to the end; largest difference from the run left alone {max(differences):.1e}')
    return max(differences)


def compare(one: Path, other: Path) -> float:
    """The largest difference between the weights and optimizer states of two checkpoints."""
    a, b = (torch.load(path, weights_only=True) for path in (one, other))
    pairs = [(a['state_dict'][name], b['state_dict'][name]) for name in a['state_dict']]
    pairs += [(state['exp_avg'], b['optimizer']['state'][key]['exp_avg']) for key, state in
              a['optimizer']['state'].items()]
    return max((x.double() - y.double()).abs().max().item() for x, y in pairs if x.numel())


if __name__ == '__main__':
    main()
