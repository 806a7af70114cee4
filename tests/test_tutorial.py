"""The notebook of the documentation runs from top to bottom."""
import json
import shlex
from pathlib import Path

import cv2

from mae_mm.apis.measurements import RESULTS

from .conftest import ROOT, run_inside


def test_the_notebook_runs(tmp_path, monkeypatch):
    """Its cells in this process; a line of Jupyter's ``!mae-mm`` is the command, which starts no other one here."""
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    notebook = json.loads((ROOT / 'docs/tutorial.ipynb').read_text())
    cells = [''.join(cell['source']) for cell in notebook['cells'] if cell['cell_type'] == 'code']
    for cell in cells:
        lines = cell.replace('\\\n', ' ').splitlines()
        for line in lines:
            if line.startswith('!'):
                command, *arguments = shlex.split(line[1:])
                assert command == 'mae-mm' and run_inside(*arguments) == 0, line
        exec(compile('\n'.join(line for line in lines if not line.startswith('!')), 'tutorial.ipynb', 'exec'), names)
    assert cv2.imread('reconstruction.png').shape[1] == 800
    assert json.loads(Path('work_dirs/probes', RESULTS).read_text())
    assert len(list(Path('predictions/labels').rglob('*.png'))) == 10
    assert min(names['sheet'].size) > 60 and names['features'].shape == (30, 192)
