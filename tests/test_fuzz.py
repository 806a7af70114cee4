"""The fuzz of checkpoint reading: nothing is found in a few seconds, and what is wrong would be."""
import importlib
import os
import re
import signal
import time

import pytest

from mae_mm.errors import InputError

from .conftest import ROOT, run_tool

TOOL = 'tools/fuzz_checkpoints.py'


@pytest.fixture
def fuzz(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / 'tools')
    return importlib.import_module('fuzz_checkpoints')


def test_a_few_seconds_find_nothing(tmp_path):
    printed = run_tool(TOOL, '--seconds', 3, '--seed', 7, '--out', tmp_path)
    table = {line[:20].strip(): [int(count) for count in line[20:].split()] for line in printed.splitlines()
             if line[20:].replace(' ', '').isdigit()}
    assert len(table) == 7 and table['all'][0] == sum(counts[0] for name, counts in table.items() if name != 'all')
    files, read, refused, failures = table['all']
    assert files == read + refused and refused > 10 and not failures and not list(tmp_path.iterdir())


def refuse(text):
    raise InputError(text)


@pytest.mark.parametrize('reader, says', [
    (lambda path: {}['no such key'], "KeyError at .*: \"'no such key'\""),
    (lambda path: refuse(f'{path}: two\nlines'), 'a message of'), (lambda path: refuse('no name'), 'a message of'),
    (lambda path: os.system('true'), 'ran .*os.system'), (lambda path: open(f'{path}.new', 'w').close(), 'ran .*open'),
    (lambda path: eval('"FUZZED"'), 'ran .*compile'), (lambda path: bytearray(2**28), 'took [0-9]+ MiB'),
    (lambda path: bytearray(2**36), 'MemoryError'), (lambda path: time.sleep(60), 'no end within 0.5 seconds'),
    (lambda path: os.kill(os.getpid(), signal.SIGSEGV), 'killed by signal 11')])
def test_every_failure_is_told(reader, says, fuzz, tmp_path, monkeypatch, capfd):
    broken, whole = tmp_path / 'broken', tmp_path / 'whole'
    for path in (broken, whole):
        path.write_bytes(b'')
    monkeypatch.setattr(fuzz, 'READERS', dict(bad=lambda path: reader(path) if path == str(broken) else None))
    monkeypatch.setattr(fuzz, 'HANG_SECONDS', .5 if says.startswith('no end') else 60)
    assert fuzz.again([str(broken), str(whole)]) == 1
    first, second = capfd.readouterr().out.splitlines()
    assert re.search(says, first) and second == f'{whole}: read'


def test_the_same_seed_makes_the_same_files_and_a_failure_is_kept(fuzz, tmp_path, monkeypatch, capfd):
    whole = fuzz.seeds()
    made = [fuzz.make(number, 3, whole) for number in range(60)]
    assert made == [fuzz.make(number, 3, whole) for number in range(60)]
    assert made != [fuzz.make(number, 4, whole) for number in range(60)]

    def read(path):
        if path.startswith('case'):
            raise KeyError

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(fuzz, 'READERS', dict(bad=read))
    assert fuzz.fuzz(2, 3, tmp_path / 'out') > 0
    assert 'bad: KeyError' in capfd.readouterr().out
    kept = {path.name: path.read_bytes() for path in (tmp_path / 'out/3-0').iterdir()}
    assert kept == made[0][1]


def test_atheris_chooses_the_changes(tmp_path):
    pytest.importorskip('atheris', reason='needs atheris, a fuzzer: pip install atheris')
    printed = run_tool(TOOL, '--guided', '--seconds', 3, '--out', tmp_path)
    assert 'guided .pth' in printed and not list(tmp_path.iterdir())
