"""What probes measured: rows that are kept between runs, as JSON, as CSV and as a table."""
import csv
import io
import json
import os
import statistics
from collections.abc import Iterable
from typing import Any

from filelock import FileLock

from ..checkpoint.writing import AtomicBackend
from ..errors import InputError
from ..outputs import make_folder
from .report import as_json

FORMAT = 1
RESULTS, TABLE = 'results.json', 'results.csv'
# What names a row, and what it says. `layer` counts from 0, `weights` are digits of the encoder's contents, `size` is
# that of the images that went in.
NAMES = ('checkpoint', 'data', 'probe', 'pooling', 'layer', 'shots', 'metric')
COLUMNS = (*NAMES, 'mean', 'deviation', 'seeds', 'train_images', 'test_images', 'weights',
           'size', 'norm')


class Results:
    """The rows of a folder's ``results.json``, and those that are added.

    Raises:
        ValueError: a file that is no such results.
    """

    def __init__(self, folder: str):
        self.folder = folder
        self.rows = self._read()
        self._put: list[dict[str, Any]] = []  # since the last save

    def _read(self) -> list[dict[str, Any]]:
        path = os.path.join(self.folder, RESULTS)
        if not os.path.exists(path):
            return []
        try:
            with open(path) as file:
                told = json.load(file)
            if told['format'] != FORMAT:
                raise ValueError(f'format {told["format"]}')
            return [row for row in told['results'] if {*COLUMNS, 'key', 'values'} <= set(row)]
        except (OSError, ValueError, TypeError, LookupError, RecursionError) as error:
            raise InputError(f'{path} is not what this command writes ({error}); choose another --out') from None

    def measured(self, key: str) -> list[dict[str, Any]]:
        """The rows of what has been measured under a key, with the seeds of all names that its checkpoint had."""
        found: dict[tuple[str, str], dict[str, Any]] = {}
        for row in self.rows:
            if row['key'] == key:
                name = row['pooling'], row['metric']
                values = {**found.get(name, row)['values'], **row['values']}
                found[name] = dict(row, values=dict(sorted(values.items(), key=lambda item: int(item[0]))))
        return list(found.values())

    def put(self, key: str, names: dict[str, Any], values: dict[str, float], **facts: Any) -> dict[str, Any]:
        """Add a row, or replace the one of these names and this key."""
        figures = [round(value, 4) for value in values.values()]
        row = dict(names, mean=round(statistics.fmean(figures), 4),
                   deviation=round(statistics.stdev(figures), 4) if figures[1:] else None, seeds=len(figures), **facts,
                   values=dict(zip(values, figures, strict=True)), key=key)
        _place(self.rows, row)
        self._put.append(row)
        return row

    def save(self) -> None:
        """Write both files, each whole or not at all, with what other processes have written there meanwhile."""
        make_folder(self.folder)
        with FileLock(os.path.join(self.folder, f'.{RESULTS}.lock')):
            self.rows = self._read()
            for row in self._put:
                _place(self.rows, row)
            self._put = []
            self._write()

    def _write(self) -> None:
        report = dict(format=FORMAT, results=self.rows)
        AtomicBackend().put(as_json(report).encode(errors='surrogateescape'), os.path.join(self.folder, RESULTS))
        text = io.StringIO()
        lines = csv.DictWriter(text, COLUMNS, extrasaction='ignore', lineterminator='\n')
        lines.writeheader()
        lines.writerows(self.rows)
        AtomicBackend().put(text.getvalue().encode(errors='surrogateescape'), os.path.join(self.folder, TABLE))


def _place(rows: list[dict[str, Any]], row: dict[str, Any]) -> None:
    """Add a row, or replace the one of its names and its key."""
    same = [i for i, other in enumerate(rows) if all(other[name] == row[name] for name in (*NAMES, 'key'))]
    rows[same[0] if same else len(rows):same[0] + 1 if same else None] = [row]


def table(rows: Iterable[dict[str, Any]]) -> list[str]:
    """Lines to print: what a probe measured of a checkpoint on some data, in the last layer, and in the best one."""
    groups: dict[tuple, list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault(tuple(row[name] for name in NAMES if name != 'layer'), []).append(row)
    lines, cells = [], []
    for (checkpoint, data, probe, pooling, shots, metric), found in groups.items():
        found = sorted(found, key=lambda row: row['layer'])
        best = max(found, key=lambda row: row['mean'])
        cells.append((data, probe, pooling, shots, metric, f'{found[-1]["layer"]}', _figure(found[-1]),
                      f'{best["layer"]}' if len(found) > 1 else '', _figure(best) if len(found) > 1 else '',
                      checkpoint))
    titles = ('data', 'probe', 'pooling', 'shots', 'metric', 'last', '', 'best', '', 'checkpoint')
    widths = [max(len(cell) for cell in column) for column in zip(titles, *cells, strict=True)]
    for line in (titles, *cells):
        lines.append('  '.join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
    return lines


def _figure(row: dict[str, Any]) -> str:
    return f'{row["mean"]:.2f}' + ('' if row['deviation'] is None else f' +- {row["deviation"]:.2f}')
