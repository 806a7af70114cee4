"""Large folders are looked through once, and again when they have changed."""
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mae_mm.datasets import scans
from mae_mm.datasets.scans import names_in

from .conftest import ROOT


@pytest.fixture
def large(tmp_path, monkeypatch):
    """A folder that counts as large and was changed long ago, and a list of those that are looked through."""
    looked = []
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    monkeypatch.setattr(scans, 'LARGE', 1)
    monkeypatch.setattr(scans, 'files_in', lambda *args: looked.append(args[0]) or files_in(*args))
    files_in = sys.modules['mae_mm.datasets.files'].files_in
    for name in ('cat/0.png', 'cat/b/1.png', 'dog/0.png', 'loose.png'):
        path = tmp_path / 'data' / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b'')
    age(tmp_path / 'data')
    return tmp_path / 'data', looked


def age(folder: Path, seconds: int = 100) -> None:
    for path in (folder, *folder.rglob('*')):
        changed = path.stat().st_mtime_ns - seconds * 10**9
        os.utime(path, ns=(changed, changed))


def test_a_large_folder_is_looked_through_once(large, tmp_path):
    folder, looked = large
    names = ['cat/0.png', 'cat/b/1.png', 'dog/0.png', 'loose.png']
    assert names_in(str(folder)) == names_in(str(folder)) == names and len(looked) == 1
    assert names_in(str(folder), apart=True) == names_in(str(folder), apart=True) == names[:3] and len(looked) == 3
    assert {path.name for path in folder.iterdir()} == {'cat', 'dog', 'loose.png'}  # nothing is written there
    for kept in (tmp_path / 'cache').rglob('*.json'):
        kept.write_text('{"names"')
    assert names_in(str(folder)) == names and len(looked) == 4


@pytest.mark.parametrize('change', [
    lambda folder: (folder / 'cat/b/2.png').write_bytes(b''), lambda folder: (folder / 'dog/0.png').unlink(),
    lambda folder: (folder / 'cat/0.png').rename(folder / 'cat/9.png'), lambda folder: (folder / 'cow').mkdir()])
def test_a_change_is_seen(large, change):
    folder, looked = large
    names_in(str(folder))
    change(folder)
    assert names_in(str(folder)) == sorted(
        str(path.relative_to(folder)) for path in folder.rglob('*') if path.is_file()) and len(looked) == 2
    names_in(str(folder))
    assert len(looked) == 3  # changed a moment ago: it may change again without a later time


def test_without_a_cache_a_folder_is_looked_through(large, monkeypatch):
    folder, looked = large
    monkeypatch.setenv('XDG_CACHE_HOME', '/proc/none')
    monkeypatch.setenv('WORLD_SIZE', '2')
    assert names_in(str(folder)) == names_in(str(folder)) and len(looked) == 2


def test_one_of_several_processes_looks_through_a_folder(large, tmp_path):
    folder, _ = large
    script = ('import sys, time\nfrom mae_mm.datasets import scans\nfiles_in = scans.files_in\n'
              'def looked(*args):\n    print("looked", flush=True)\n    time.sleep(2)\n    return files_in(*args)\n'
              'scans.files_in, scans.LARGE = looked, 1\nprint(scans.names_in(sys.argv[1]))')
    runs = [subprocess.Popen([sys.executable, '-c', script, folder], stdout=subprocess.PIPE, text=True, cwd=ROOT,
                             env={**os.environ, 'WORLD_SIZE': '2', 'RANK': str(rank)}) for rank in range(2)]
    told = [run.communicate(timeout=120)[0].splitlines() for run in runs]
    assert sorted(map(len, told)) == [1, 2] and told[0][-1] == told[1][-1] and 'dog/0.png' in told[0][-1]
