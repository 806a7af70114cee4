"""The options of ``mae-mm convert`` and ``export``: of effect, or refused by name; and what they never replace."""
import os

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS, init_default_scope

from mae_mm.checkpoint import load_into, load_weights, write_checkpoint

from . import official
from .conftest import run_inside
from .test_facts import pretrainer, saved

OFFICIAL = ['--num-heads', 2, '--decoder-num-heads', 4, '--norm-pix', 'yes']


@pytest.mark.parametrize('options, says', [
    (['--num-heads', 7, '--grid', 0, 0], '--grid 0 0: its position embedding is for 16 patches, not for the grid'),
    (['--num-heads', 7], '--num-heads 7: a width of 32 cannot be divided among that many heads'),
    (['--num-heads', 0], '--num-heads 0: a width of 32'), (['--num-heads', -2], '--num-heads -2: a width of 32'),
    (['--grid', -4, -4], '--grid -4 -4: its position'), (['--grid', 4, 5], '--grid 4 5: its position'),
    (['--num-heads', 2, '--decoder-num-heads', 3], '--decoder-num-heads 3: a width of 16'),
    (['--decoder-num-heads', 4], 'give it with --num-heads'), (['--num-heads', 2], 'give it with --decoder-num-heads'),
    (['--num-heads', 2, '--decoder-num-heads', 4], 'give it with --norm-pix yes or no'),
    (['--whole'], '--whole has no effect with --to huggingface')])
def test_numbers_that_cannot_be_are_refused_by_name(options, says, tmp_path, error_of):
    torch.save(official.mae_weights(), tmp_path / 'a.pth')
    assert says in error_of('convert', tmp_path / 'a.pth', tmp_path / 'dst', '--to', 'huggingface', *options)
    if 'give' not in says and 'effect' not in says:
        assert says in error_of('convert', tmp_path / 'a.pth', tmp_path / 'dst.pth', '--whole', *options)
    assert not list(tmp_path.glob('dst*'))


@pytest.mark.parametrize('options, says', [
    (['--num-heads', 4], '--num-heads: the file tells otherwise, 2'),
    (['--grid', 2, 8], '--grid: the file tells otherwise, 4 4'),
    (['--norm-pix', 'no'], '--norm-pix: the file tells otherwise, yes')])
def test_what_contradicts_the_file_is_refused(options, says, tmp_path, error_of):
    torch.save(pretrainer().state_dict(), tmp_path / 'a.pth')
    assert says in error_of('convert', tmp_path / 'a.pth', tmp_path / 'dst', '--to', 'huggingface', *options)


@pytest.mark.parametrize('option', [['--grid', 4, 4], ['--num-heads', 2], ['--norm-pix', 'no'],
                                    ['--decoder-num-heads', 4], ['--whole']])
def test_options_without_effect_are_refused(option, tmp_path, error_of):
    torch.save(official.mae_weights('norm'), tmp_path / 'a.pth')
    assert f'{option[0]} has no effect with --to timm' in error_of(
        'convert', tmp_path / 'a.pth', tmp_path / 'dst.pth', '--to', 'timm', *option)
    if option[0] in ('--norm-pix', '--decoder-num-heads'):
        said = error_of('convert', tmp_path / 'a.pth', tmp_path / 'dst.pth', *option)
        assert f'{option[0]} is of the decoder, which only --whole writes' in said
        said = error_of('convert', tmp_path / 'a.pth', tmp_path / 'dst.pth', '--whole', *option)
        assert f'{option[0]}: there is no decoder' in said


def test_what_is_told_once_is_stored(tmp_path):
    torch.save(official.mae_weights(), tmp_path / 'a.pth')
    for suffix in ('pth', 'safetensors'):
        dst = tmp_path / f'b.{suffix}'
        assert run_inside('convert', tmp_path / 'a.pth', dst, '--whole', '--grid', 2, 8, *OFFICIAL) == 0
        told = load_weights(str(dst))._metadata
        assert tuple(told['backbone'].pop('grid')) == tuple(told['decoder'].pop('grid')) == (2, 8)
        load_into(pretrainer(sizes=dict(img_size=(16, 64))), load_weights(str(dst)), 'b')
        assert told == {'backbone': dict(num_heads=2), 'decoder': dict(num_heads=4), '': dict(norm_pix=True)}
    assert run_inside('convert', tmp_path / 'a.pth', tmp_path / 'c.pth', '--num-heads', 2) == 0  # the encoder alone
    assert load_weights(str(tmp_path / 'c.pth'))._metadata == {'': dict(num_heads=2)}


def test_the_advice_for_a_file_without_a_grid_works_where_it_is_given(config, tmp_path, error_of):
    """``mae-mm test`` reads the file, and no ``init_cfg`` has a say there."""
    cfg = ['--work-dir', tmp_path, '--cfg-options', 'model.backbone.img_size=16,64']
    source = tmp_path / 'a.pth'
    init_default_scope('mmseg')
    model = Config.fromfile(config).model
    model.backbone.img_size = (16, 64)
    torch.save(dict(state_dict=dict(MODELS.build(model).state_dict())), source)  # a plain dict has no metadata
    said = error_of('test', config, source, *cfg)
    assert 'its position embedding is for 16 patches, which do not form a square, and the file does not' in said
    command = said.partition('mae-mm ')[2].partition(' writes')[0].split()
    assert command[:3] == ['convert', 'FILE', 'NEW.pth'] and command[-2:] == ['HEIGHT', 'WIDTH']
    assert run_inside('convert', source, tmp_path / 'new.pth', *command[3:-2], 2, 8) == 0
    assert run_inside('test', config, tmp_path / 'new.pth', *cfg) == 0


@pytest.mark.parametrize('kind', ['itself', 'relative', 'link', 'link to it', 'hard link', 'folder', 'into it'])
def test_no_source_is_replaced(kind, tmp_path, error_of, monkeypatch):
    monkeypatch.chdir(tmp_path)
    source = tmp_path / 'a.safetensors'
    write_checkpoint(official.mae_weights('norm'), str(source))
    src, dst, options = source, source, []
    if kind == 'relative':
        (tmp_path / 'some').mkdir()
        dst = 'some/../a.safetensors'
    elif kind == 'link':
        (tmp_path / 'link.pth').symlink_to(source)
        dst = tmp_path / 'link.pth'
    elif kind == 'link to it':
        (tmp_path / 'link.safetensors').symlink_to(source)
        src = tmp_path / 'link.safetensors'
    elif kind == 'hard link':
        os.link(source, tmp_path / 'same.pth')
        dst = tmp_path / 'same.pth'
    elif 'folder' in kind:
        src = dst = saved('huggingface-encoder', tmp_path / 'hf')
        options = ['--to', 'huggingface']
        if kind == 'into it':
            dst, options = dst / 'config.json', []
    before = {path: path.read_bytes() for path in tmp_path.rglob('*') if path.is_file()}
    for command in (['convert', src, dst, *options], ['convert', src, dst, '--whole']):
        if kind == 'folder' and '--whole' in command:
            continue
        assert 'which it is made from; choose another name' in error_of(*command)
    assert {path: path.read_bytes() for path in tmp_path.rglob('*') if path.is_file()} == before


def test_a_checkpoint_of_a_run_is_not_replaced(tmp_path, error_of):
    write_checkpoint(official.mae_weights('norm'), str(tmp_path / 'a.pth'))
    (tmp_path / 'iter_6.pth').write_bytes(b'weights')
    (tmp_path / 'iter_6.pth.sha256').write_text('0')
    assert 'iter_6.pth is a checkpoint of a run' in error_of('convert', tmp_path / 'a.pth', tmp_path / 'iter_6.pth')


@pytest.mark.parametrize('options, says', [
    (['--size', 0, 32], '--size 0 32: height and width are pixels from 1 on'),
    (['--size', 10**9, 8], '--size 1000000000 8: height and width are pixels from 1 on, and no more than 200,000,000'),
    (['--size', 32, -8], '--size 32 -8: height and width'), (['--tolerance', 'nan'], '--tolerance nan: it is a'),
    (['--tolerance', -1], '--tolerance -1.0: it is a number'), (['--tolerance', 'inf'], '--tolerance inf: it is')])
def test_numbers_of_export_are_refused_by_name(options, says, config, tmp_path, error_of):
    assert says in error_of('export', config, tmp_path / 'a.pth', tmp_path / 'a.pt2', *options)


def test_export_replaces_no_source(config, tmp_path, error_of):
    torch.save({}, tmp_path / 'a.pt2')
    (tmp_path / 'b.pt2').symlink_to(tmp_path / 'a.pt2')
    for out in ('a.pt2', 'b.pt2'):
        assert 'which it is made from' in error_of('export', config, tmp_path / 'a.pt2', tmp_path / out)
