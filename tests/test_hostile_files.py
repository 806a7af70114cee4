"""Two hundred files that are broken or made to do harm: a message for each, and nothing else."""
import io
import pickle
import resource
import struct
import tracemalloc

import numpy as np
import pytest
import torch

from mae_mm.checkpoint import load_weights, read_checkpoint
from mae_mm.errors import InputError

from .conftest import run_inside
from .hostile import KINDS, Call, Pickler, Storage, archive, make

COUNT = 200
MAY_BE_READ = {'flipped'}  # if chance only changed what nobody reads


def test_nothing_of_a_hostile_file_is_run_and_memory_stays_bounded(tmp_path):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for number in range(COUNT):
        kind, path = make(number, tmp_path, tmp_path / 'marker')
        try:
            load_weights(str(path))
        except InputError as error:
            assert '\n' not in str(error) and len(str(error)) < 1000, kind
            assert path.name in str(error)
        else:
            assert kind in MAY_BE_READ, kind
        path.unlink()
    assert not (tmp_path / 'marker').exists()
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < 2 * before


@pytest.mark.parametrize('kind', [kind for kind in KINDS if kind not in MAY_BE_READ])
def test_tools_write_nothing_for_a_hostile_file(kind, tmp_path, capsys):
    _, path = make(list(KINDS).index(kind), tmp_path, tmp_path / 'marker')
    for tool, *options in (('tools/model_converters/beit2mmseg.py', tmp_path / 'dst'),
                           ('tools/model_converters/export.py', tmp_path / 'dst', '--to', 'timm'),
                           ('tools/inspect_checkpoint.py', )):
        assert run_inside(tool, path, *options) == 2
        assert capsys.readouterr().err.count('\n') == 1
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize('options', [{}, dict(_use_new_zipfile_serialization=False)], ids=['zip', 'legacy'])
def test_what_asks_for_more_is_named_and_long_lists_are_not_taken_for_deep_ones(options, tmp_path):
    path = tmp_path / 'a.pth'
    torch.save({'history': list(range(200_000)), 'weights': torch.ones(2)}, path, **options)
    assert len(read_checkpoint(str(path))['history']) == 200_000
    torch.save({'weights': torch.ones(2), 'extra': Call(eval, '1')}, path, **options)
    with pytest.raises(InputError, match=r'a.pth was refused: loading it would run (builtins.)?eval;'):
        read_checkpoint(str(path))


@pytest.mark.parametrize('kind', ['legacy', 'zip'])
def test_no_room_is_made_for_bytes_that_are_not_there(kind, tmp_path):
    pickled = b'\x80\x02B' + struct.pack('<I', 2**32 - 1) + b'abc.'
    (tmp_path / 'a.pth').write_bytes(pickled if kind == 'legacy' else archive(pickled))
    tracemalloc.start()
    try:
        with pytest.raises(InputError, match='a.pth is not a checkpoint, or is damaged'):
            read_checkpoint(str(tmp_path / 'a.pth'))
        assert tracemalloc.get_traced_memory()[1] < 2**24
    finally:
        tracemalloc.stop()


class LegacyPickler(Pickler):

    def persistent_id(self, value):
        found = super().persistent_id(value)
        return (*found, None) if found else None  # and no view


def legacy(checkpoint) -> bytes:
    """A file like those from before torch 1.6, of whatever pickles; it ends where the numbers would come."""
    stream = io.BytesIO()
    for part in (torch.serialization.MAGIC_NUMBER, torch.serialization.PROTOCOL_VERSION, {}):
        pickle.dump(part, stream, protocol=2)
    LegacyPickler(stream, protocol=2).dump(checkpoint)
    pickle.dump(['0'], stream, protocol=2)
    return stream.getvalue()


REBUILD = torch._utils._rebuild_tensor_v2
QUANTISED = (torch.per_tensor_affine, .1, 0)
ALLOCATIONS = {
    'sizes beyond the storage': Call(REBUILD, Storage(16), 0, (30_000, 30_000), (30_000, 1), False, {}),
    'an offset beyond the storage': Call(REBUILD, Storage(16), 2**28, (1, ), (1, ), False, {}),
    'strides beyond the storage': Call(REBUILD, Storage(16), 0, (2, ), (2**28, ), False, {}),
    'a storage beyond the file': Call(REBUILD, Storage(2**28), 0, (1, ), (1, ), False, {}),
    'quantised': Call(torch._utils._rebuild_qtensor, Storage(16), 0, (30_000, 30_000), (1, 1), QUANTISED, False, {}),
    'a tensor that is made': Call(torch.Tensor, 30_000, 30_000),
    'an array that is made': Call(np.ndarray, (30_000, 30_000)),
    'an array to be filled': Call(np._core.multiarray._reconstruct, np.ndarray, (30_000, 30_000), b'b')}


@pytest.mark.parametrize('what', ALLOCATIONS)
@pytest.mark.parametrize('written', [archive, legacy])
def test_no_room_is_made_for_numbers_that_are_not_there(what, written, tmp_path):
    (tmp_path / 'a.pth').write_bytes(written({'cls_token': ALLOCATIONS[what]}))
    before = resource.getrlimit(resource.RLIMIT_AS)
    pages = int(open('/proc/self/statm').read().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + 2**28, before[1]))
    try:
        with pytest.raises(InputError) as error:
            read_checkpoint(str(tmp_path / 'a.pth'))
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)
    cause = error.value
    while cause is not None:
        assert not isinstance(cause, MemoryError) and 'allocate' not in str(cause)
        cause = cause.__cause__ or cause.__context__


@pytest.mark.parametrize('options', [{}, dict(_use_new_zipfile_serialization=False)], ids=['zip', 'legacy'])
def test_views_and_empty_tensors_and_large_numbers_are_read(options, tmp_path):
    whole = torch.arange(24.).view(4, 6)
    checkpoint = {'a': whole, 'b': whole[1:, ::2], 'c': whole.T, 'd': torch.zeros(0, 5), 'e': torch.tensor(2.),
                  'f': torch.nn.Parameter(whole[0]), 'seed': 2**62, 'array': np.arange(6).reshape(2, 3),
                  'scalar': np.float64(3), 'g': torch.zeros(1).expand(3, 3), 'h': torch.ones(70_000)}
    torch.save(checkpoint, tmp_path / 'a.pth', **options)
    read = read_checkpoint(str(tmp_path / 'a.pth'))
    assert list(read) == list(checkpoint)
    for name, value in checkpoint.items():
        assert torch.equal(torch.as_tensor(read[name]), torch.as_tensor(value))


class Broken:
    """A dtype of NumPy whose state is none, which it takes for a mistake of its own."""

    def __reduce__(self):
        return np.dtype, ('f8', False, True), {}


def test_a_tensor_that_was_damaged_is_told(tmp_path):
    """torch reads it, and compares no checksum."""
    path = tmp_path / 'x.pth'
    torch.save({'weight': torch.full((1000, ), 7.)}, path)
    content = path.read_bytes()
    seven = torch.tensor(7.).numpy().tobytes()
    path.write_bytes(content.replace(seven * 4, seven * 3 + b'1234', 1))
    assert not (torch.load(path)['weight'] == 7).all()
    with pytest.raises(InputError, match='x.pth is not a checkpoint, or is damaged'):
        read_checkpoint(str(path))


def test_what_a_library_takes_for_its_own_mistake_is_damage(tmp_path):
    torch.save({'cls_token': torch.ones(1), 'scalar': Broken()}, tmp_path / 'a.pth')
    with pytest.raises(InputError, match='a.pth is not a checkpoint, or is damaged'):
        read_checkpoint(str(tmp_path / 'a.pth'))
