"""The cache of features: what it believes, who writes it, how large it gets."""
import os

import numpy as np
import pytest

from mae_mm.errors import InputError
from mae_mm.evaluation.cache import Entry, make_room


def entry(root, number=4, **facts):
    return Entry(str(root), dict(of='a test', **facts), number, dict(a=(2, 3), b=(5, )))


def records(number):
    return dict(a=np.ones((number, 2, 3), np.float16), b=np.zeros((number, 5), np.float16))


def test_a_file_that_was_cut_short_is_not_believed(tmp_path):
    ours = entry(tmp_path)
    assert ours.missing(['a', 'b']) == ['a', 'b'] and ours.bytes_to_write(['a']) == 48
    with ours.writing(['a', 'b']) as writer:
        writer.add(records(4))
    assert ours.missing(['a', 'b']) == [] and ours.read('a').shape == (4, 2, 3)
    os.truncate(os.path.join(ours.folder, 'a'), 30)
    assert ours.missing(['a', 'b']) == ['a'] and ours.done() == dict(a=2, b=4)
    with ours.writing(['a']) as writer:
        assert writer.place == 2
        writer.add({'a': records(2)['a']})
    assert (ours.read('a') == 1).all()
    with open(os.path.join(ours.folder, 'progress.json'), 'w') as file:
        file.write('{"a": ')
    assert ours.missing(['a']) == ['a']


def test_two_processes_do_not_write_one_entry(tmp_path):
    with entry(tmp_path).writing(['a']), pytest.raises(InputError, match='another process writes these features'):
        with entry(tmp_path).writing(['a']):
            pass


def test_the_cache_has_a_bound(tmp_path, monkeypatch):
    entries = [entry(tmp_path, name=i) for i in range(3)]
    (tmp_path / 'mine').mkdir()
    (tmp_path / 'mine' / 'file').write_bytes(b'x' * 5000)  # no features: it is left alone
    for i, ours in enumerate(entries):
        with ours.writing(['a', 'b']) as writer:
            writer.add(records(4))
        os.utime(os.path.join(ours.folder, 'progress.json'), (i, i))
    size = sum(file.stat().st_size for file in os.scandir(entries[0].folder))
    make_room(str(tmp_path), size, 4 * size)
    assert all(os.path.isdir(ours.folder) for ours in entries)
    make_room(str(tmp_path), size, 3 * size, [entries[0].folder])
    assert [os.path.isdir(ours.folder) for ours in entries] == [True, False, True]
    with pytest.raises(InputError, match='the features need .* and --cache-size allows .* fewer --layers'):
        make_room(str(tmp_path), 3 * size, 3 * size, [entries[0].folder])
    assert (tmp_path / 'mine' / 'file').exists()
    usage = type('Usage', (), dict(free=10))
    monkeypatch.setattr('shutil.disk_usage', lambda _: usage)
    with pytest.raises(InputError, match='the disk has 0.00 GB; make room, give --cache'):
        make_room(str(tmp_path), 1000, 10**9)
