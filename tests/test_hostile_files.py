"""Two hundred files that are broken or made to do harm: a message for each, and nothing else."""
import resource

import pytest
import torch

from mae_mm.checkpoint import load_weights, read_checkpoint
from mae_mm.errors import InputError

from .conftest import run_inside
from .hostile import KINDS, Call, make

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
