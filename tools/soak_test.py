"""Train for a while on several processes, and watch what they hold: memory must not grow, nor open files.

    python tools/soak_test.py [--minutes 30] [--processes 2]

It pre-trains on random images through the command, with validation, pictures and checkpoints every few seconds, and
exits with 1 if the resident memory of the last third of the time is 1 % more than that of the third before it, or if
files stay open. Linux alone.
"""
import argparse
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

import torch
from small_runs import end, ended, make_data, start

from mae_mm.progress import progress_of

EVERY_SECONDS = 5
GROWTH = .01


def family(pids: list[int]) -> list[int]:
    """Processes and their children, data loaders' workers among them."""
    children: dict[int, list[int]] = {}
    for path in Path('/proc').glob('[0-9]*/stat'):
        try:
            parent = int(path.read_text().rpartition(')')[2].split()[1])
        except OSError:  # it has ended
            continue
        children.setdefault(parent, []).append(int(path.parent.name))
    found = list(pids)
    for pid in found:
        found += children.get(pid, [])
    return found


def held(pids: list[int]) -> tuple[float, int]:
    """MiB of resident memory that is not shared with others, and open files, of some processes together."""
    pages, files = 0, 0
    for pid in pids:
        try:
            _, resident, shared, *_ = map(int, Path(f'/proc/{pid}/statm').read_text().split())
            pages += resident - shared
            files += len(os.listdir(f'/proc/{pid}/fd'))
        except OSError:
            continue
    return pages * os.sysconf('SC_PAGE_SIZE') / 2**20, files


def main() -> None:
    parser = argparse.ArgumentParser(description='Train for a while and watch memory and open files')
    parser.add_argument('--minutes', type=float, default=30)
    parser.add_argument('--processes', type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(1)
    seen: list[tuple[float, int]] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_data(folder / 'data')
        pids = start('pretrain', folder / 'data', folder / 'run', args.processes,
                     ['max_epochs=1000000', 'interval=50', 'default_hooks.checkpoint.minutes=0.1',
                      'train_dataloader.num_workers=1', 'default_hooks.logger.interval=100'])
        steps = int(args.minutes * 60 / EVERY_SECONDS)
        with progress_of(steps) as progress:
            for _ in range(steps):
                time.sleep(EVERY_SECONDS)
                if ended(pids) is not None:
                    raise SystemExit(f'error: the run ended by itself: {(folder / "run.0.log").read_text()[-2000:]}')
                seen.append(held(family(pids)))
                progress.update()
        end(pids)
    third = len(seen) // 3
    thirds = [seen[i * third:(i + 1) * third] for i in range(3)]
    memory = [statistics.median(mib for mib, _ in part) for part in thirds]
    files = [max(number for _, number in part) for part in thirds]
    growth = memory[2] / memory[1] - 1
    print(f'{args.minutes:g} minutes, {args.processes} processes: MiB in each third '
          f'{", ".join(f"{mib:.1f}" for mib in memory)} (last {growth:+.2%}); open files at most '
          f'{", ".join(map(str, files))}')
    sys.exit(int(growth > GROWTH or files[2] > files[1]))


if __name__ == '__main__':
    main()
