"""The scalars that runs have logged, by mmengine's ``LocalVisBackend``."""
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..errors import InputError, listed
from ..visualization.curves import Curve, curves_png

SCALARS = 'vis_data/scalars.json'
STEPS = ('step', 'epoch', 'iter')  # in a line, where it stands
UNWANTED = (*STEPS, 'time', 'data_time', 'memory', 'base_lr')  # keys that are no curve unless asked for


def curves_picture(work_dirs: Sequence[str], keys: Sequence[str] | None = None) -> bytes:
    """A PNG file: losses, rates and metrics of runs.

    Args:
        work_dirs: of one run each, which may have been resumed; or folders of its time stamps.
        keys: names of scalars; default: all but times and memory.

    Raises:
        ValueError: a folder without scalars, or a key that no run has.
    """
    runs = {name: read_run(name) for name in dict.fromkeys(os.path.normpath(name) for name in work_dirs)}
    known = dict.fromkeys(key for curves in runs.values() for key in curves)
    usual = [key for key in known if key not in UNWANTED]
    unknown = [key for key in keys or () if key not in known]
    if unknown:
        raise InputError(f'no run has logged {listed(unknown)}; there are {", ".join(known)}')
    wanted = list(keys) if keys else sorted(usual, key=_rank)
    if not wanted:
        raise InputError(f'{listed(runs)}: nothing but times has been logged yet')
    shown = {name: {key: curve for key, (_, curve) in curves.items() if key in wanted}
             for name, curves in runs.items()}
    steps = {key: ' or '.join(dict.fromkeys(curves[key][0] for curves in runs.values() if key in curves))
             for key in wanted}
    lost = sum(value != value or abs(value) == float('inf')
               for curves in shown.values() for curve in curves.values() for _, value in curve)
    heading = f'{len(runs)} runs' if len(runs) > 1 else next(iter(runs))
    heading += f'; {lost} values are not finite: crosses at the bottom' if lost else ''
    return curves_png(shown, steps, heading)


def _rank(key: str) -> int:
    """Where a curve stands: losses, the learning rate, the rest."""
    return 0 if key.startswith('loss') else 1 if key == 'lr' else 2


def read_run(work_dir: str) -> dict[str, tuple[str, Curve]]:
    """Key -> what its steps count, and its curve, of a work dir.

    Where a resumed run went back, what it did again replaces what was there.

    Raises:
        ValueError: no scalars are there.
    """
    root = Path(work_dir)
    files = sorted({*root.glob(f'*/{SCALARS}'), *root.glob(SCALARS)})  # time stamps sort by time
    found: dict[str, dict[float, float]] = {}
    counts: dict[str, str] = {}
    for path in files:
        started: set[str] = set()
        lines = _lines(path)
        by_epoch = any('epoch' in line for line in lines)  # then the steps of validations are epochs
        for line in lines:
            unit = 'epoch' if by_epoch and 'iter' not in line else 'iteration'
            for key, value in line.items():
                if key in STEPS or not isinstance(value, (int, float)) or isinstance(value, bool):
                    continue
                curve = found.setdefault(key, {})
                if key not in started:
                    started.add(key)
                    for step in [step for step in curve if step >= line['step']]:
                        del curve[step]
                curve[line['step']] = float(value)
                counts[key] = unit
    if not found:
        raise InputError(f'{work_dir}: no {SCALARS} of a run there; give work dirs, such as '
                         'work_dirs/mae_vit_folder' if root.is_dir() else f'{work_dir}: no such folder')
    return {key: (counts[key], sorted(curve.items())) for key, curve in found.items()}


def _lines(path: Path) -> list[dict[str, Any]]:
    """Those of a file that are whole: a run that was killed may have left a part of one."""
    lines = []
    for text in path.read_text(errors='replace').splitlines():
        try:
            line = json.loads(text)
        except ValueError:
            continue
        if isinstance(line, dict) and isinstance(line.get('step'), (int, float)):
            lines.append(line)
    return lines
