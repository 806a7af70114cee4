"""Checkpoints: conversion, safe reading, loud loading, whole writing."""
import argparse
import copy
import importlib.util
import os
import pickle
from collections import OrderedDict
from pathlib import Path

import mmseg
import numpy as np
import pytest
import torch
from mmengine.logging import HistoryBuffer

from mae_mm import progress
from mae_mm.checkpoint import AtomicBackend, convert, load_into, load_weights, loading, read_checkpoint, recognise
from mae_mm.checkpoint.loading import encoder_of
from mae_mm.checkpoint.writing import from_plain, to_plain
from mae_mm.errors import InputError
from mae_mm.models import MAE
from mae_mm.models.position import resize_pos_embed

from .conftest import run_inside, run_tool
from .peers import peer_backbone, randomise

SIZES = dict(img_size=32, patch_size=8, embed_dims=24, num_layers=2, num_heads=2)


def official_mae(embed_dims=24, depth=2, num_patches=16) -> dict:
    """Random weights under the names of facebookresearch/mae's pre-training files, with a decoder."""
    generator = torch.Generator().manual_seed(0)
    width, shapes = embed_dims, {}

    def block(prefix):
        for norm in ('norm1', 'norm2'):
            shapes.update({f'{prefix}.{norm}.{kind}': (width, ) for kind in ('weight', 'bias')})
        for name, rows, columns in (('attn.qkv', 3 * width, width), ('attn.proj', width, width),
                                    ('mlp.fc1', 4 * width, width), ('mlp.fc2', width, 4 * width)):
            shapes.update({f'{prefix}.{name}.weight': (rows, columns), f'{prefix}.{name}.bias': (rows, )})

    shapes.update({'cls_token': (1, 1, width), 'pos_embed': (1, 1 + num_patches, width),
                   'patch_embed.proj.weight': (width, 3, 8, 8), 'patch_embed.proj.bias': (width, ),
                   'norm.weight': (width, ), 'norm.bias': (width, ), 'mask_token': (1, 1, width),
                   'decoder_embed.weight': (width, width), 'decoder_norm.weight': (width, )})
    for i in range(depth):
        block(f'blocks.{i}')
    block('decoder_blocks.0')
    return {name: torch.randn(shape, generator=generator) * .1 for name, shape in shapes.items()}


def test_official_names_become_those_of_mmsegs_converter():
    script = Path(mmseg.__file__).parent / '.mim/tools/model_converters/beit2mmseg.py'
    spec = importlib.util.spec_from_file_location('beit2mmseg', script)
    peer = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(peer)
    official = {name: tensor for name, tensor in official_mae().items()
                if 'decoder' not in name and name not in ('norm.weight', 'norm.bias', 'mask_token')}
    theirs, ours = peer.convert_beit(OrderedDict(official)), convert(official).weights
    theirs = {name: tensor for name, tensor in theirs.items() if 'patch_embed.proj.' not in name}  # under both names
    assert set(ours) == set(theirs)
    assert all(torch.equal(ours[name], tensor) for name, tensor in theirs.items())


def test_conversion_counts_every_tensor():
    weights = official_mae()
    done = convert(weights)
    assert done.format == 'mae' and not done.dropped and len(done.weights) == len(weights)
    encoder, aside = encoder_of(done.weights)
    assert len(encoder) + len(aside) == len(weights) and all(name.startswith('decoder.') for name in aside)
    assert recognise(done.weights) == recognise(encoder) == 'mae_mm'


@pytest.mark.parametrize('wrap', [
    lambda weights: weights,
    lambda weights: {'model': weights},
    lambda weights: {'model': weights, 'optimizer': {'state': {}}, 'epoch': 3, 'args': argparse.Namespace(lr=1.)},
], ids=['plain', 'model', 'training'])
def test_init_cfg_takes_the_official_file_as_it_is(tmp_path, wrap):
    official = official_mae()
    torch.save(wrap(official), tmp_path / 'mae.pth')
    model = MAE(**SIZES, rel_pos_bias=True, init_values=1., final_norm=False,
                init_cfg=dict(type='Pretrained', checkpoint=str(tmp_path / 'mae.pth')))
    model.init_weights()
    for ours, theirs in (('pos_embed', 'pos_embed'), ('patch_embed.projection.bias', 'patch_embed.proj.bias'),
                         ('layers.1.ffn.layers.0.0.weight', 'blocks.1.mlp.fc1.weight')):
        assert torch.equal(model.state_dict()[ours], official[theirs])
    assert not model.layers[0].attn.relative_position_bias_table.any()


def test_official_positions_are_resized_to_the_models_grid(tmp_path):
    official = official_mae()
    torch.save(official, tmp_path / 'mae.pth')
    cfg = dict(type='Pretrained', checkpoint=str(tmp_path / 'mae.pth'))
    model = MAE(**{**SIZES, 'img_size': (48, 64)}, init_cfg=cfg)
    model.init_weights()
    # as facebookresearch/mae's interpolate_pos_embed, for a rectangle
    grid = official['pos_embed'][:, 1:].reshape(1, 4, 4, 24).permute(0, 3, 1, 2)
    expected = torch.nn.functional.interpolate(grid, size=(6, 8), mode='bicubic', align_corners=False)
    torch.testing.assert_close(model.pos_embed[0, 1:], expected.permute(0, 2, 3, 1).reshape(48, 24))


def test_published_segmentation_weights_load_strictly():
    peer = peer_backbone(64)
    randomise(peer)
    state = peer.state_dict()
    assert any('relative_position_index' in name for name in state)
    model = MAE(img_size=64, patch_size=16, embed_dims=48, num_layers=4, num_heads=3, rel_pos_bias=True,
                init_values=1., final_norm=False)
    model.load_state_dict(state, strict=True)
    load_into(model, convert(state).weights, 'published')
    assert torch.equal(model.pos_embed, peer.pos_embed)


def test_what_does_not_match_is_an_error_and_nothing_is_loaded():
    model = MAE(**SIZES)
    weights = copy.deepcopy(model.state_dict())
    before = copy.deepcopy(weights)
    weights['cls_token'] = torch.zeros(1, 1, 48)
    weights['patch_embed.projection.bias'] += 1
    weights['layers.7.ln1.weight'] = weights.pop('layers.0.ln1.weight')
    with pytest.raises(ValueError) as error:
        load_into(model, weights, 'file.pth')
    for name in ('file.pth', 'cls_token is 1x1x48 where the model has 1x1x24', 'missing: layers.0.ln1.weight',
                 'not in the model: layers.7.ln1.weight'):
        assert name in str(error.value)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_a_load_is_reported_in_numbers_and_names(tmp_path, monkeypatch):
    said = []
    monkeypatch.setattr(loading, 'print_log', lambda message, **_: said.append(message))
    torch.save(official_mae(), tmp_path / 'mae.pth')
    MAE(**{**SIZES, 'img_size': 48}, rel_pos_bias=True, init_values=1., final_norm=False,
        init_cfg=dict(type='Pretrained', checkpoint=str(tmp_path / 'mae.pth'))).init_weights()
    assert len(said) == 1
    assert 'mae.pth: 28 tensors loaded, 1 of them resized; 6 newly initialised (layers.0.' in said[0]
    assert 'and 3 more); 17 ignored (decoder.mask_token, ' in said[0]


def test_training_starts_from_a_pretraining_file_that_cannot_be_tested(config, tmp_path, capsys):
    model = MAE(img_size=32, patch_size=8, embed_dims=16, num_layers=4, num_heads=2)
    torch.save(model.state_dict(), tmp_path / 'mae.pth')
    options = ['--work-dir', tmp_path, '--cfg-options']
    assert run_inside('tools/train.py', config, *options, f'load_from={tmp_path / "mae.pth"}', 'train_cfg.max_iters=1',
                      'train_cfg.val_interval=9', 'default_hooks.checkpoint.interval=1') == 0
    trained = torch.load(tmp_path / 'iter_1.pth', weights_only=True)['state_dict']
    torch.testing.assert_close(trained['backbone.cls_token'], model.cls_token, rtol=0, atol=1e-2)
    capsys.readouterr()
    assert run_inside('tools/test.py', config, tmp_path / 'mae.pth', *options, 'train_cfg.max_iters=1') == 2
    assert 'mae.pth does not fit the model: missing: backbone.' in capsys.readouterr().err


def test_a_large_file_is_named_before_it_is_read(tmp_path, monkeypatch, capsys):
    path = tmp_path / 'encoder.pth'
    torch.save(MAE(**SIZES).state_dict(), path)
    read_checkpoint(str(path))
    assert capsys.readouterr() == ('', '')
    monkeypatch.setattr(progress, 'LARGE_BYTES', 1000)
    read_checkpoint(str(path))
    assert capsys.readouterr() == ('', f'reading {path}, 0.0 GB\n')


def test_unknown_formats_are_refused(tmp_path):
    torch.save({'conv1.weight': torch.zeros(1)}, tmp_path / 'resnet.pth')
    with pytest.raises(ValueError, match='resnet.pth: weights of an unknown format .tensors such as conv1.weight'):
        load_weights(str(tmp_path / 'resnet.pth'))
    torch.save([1, 2], tmp_path / 'list.pth')
    with pytest.raises(ValueError, match='list.pth: no weights in this file'):
        load_weights(str(tmp_path / 'list.pth'))
    with pytest.raises(ValueError, match='2 tensors that this format does not have: blocks.0.lora'):
        convert({**official_mae(), 'blocks.0.lora.a': torch.zeros(1), 'blocks.0.lora.b': torch.zeros(1)})


def test_converter_prints_counts_and_writes_nothing_on_failure(tmp_path):
    torch.save({'model': official_mae()}, tmp_path / 'mae.pth')
    tool = 'tools/model_converters/beit2mmseg.py'
    output = run_tool(tool, tmp_path / 'mae.pth', tmp_path / 'out' / 'ours.pth')
    assert '(mae): 28 tensors renamed, 2 kept, 15 dropped; written to' in output
    assert recognise(torch.load(tmp_path / 'out' / 'ours.pth', weights_only=True)) == 'mae_mm'
    torch.save({'conv1.weight': torch.zeros(1)}, tmp_path / 'resnet.pth')
    output = run_tool(tool, tmp_path / 'resnet.pth', tmp_path / 'never.pth', status=2)
    assert 'unknown format' in output and not list(tmp_path.glob('never*'))


class Hostile:

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f'touch {self.path}', )


def test_a_hostile_file_runs_nothing_and_names_what_it_wanted(tmp_path):
    torch.save({'model': official_mae(), 'extra': Hostile(tmp_path / 'pwned')}, tmp_path / 'hostile.pth')
    with pytest.raises(ValueError, match=r'hostile.pth was refused: loading it would run (posix|nt).system'):
        read_checkpoint(str(tmp_path / 'hostile.pth'))
    (tmp_path / 'pickle.pth').write_bytes(pickle.dumps(Hostile(tmp_path / 'pwned')))
    with pytest.raises(ValueError, match='pickle.pth'):
        read_checkpoint(str(tmp_path / 'pickle.pth'))
    assert not (tmp_path / 'pwned').exists()


def test_mmengines_own_training_checkpoints_can_be_read(tmp_path):
    history = HistoryBuffer([1., 2.], [1, 1])
    torch.save(dict(state_dict={}, meta=dict(seed=np.int64(3), scale=np.float64(.5)), history=history),
               tmp_path / 'iter.pth')
    read = read_checkpoint(str(tmp_path / 'iter.pth'))
    assert read['meta'] == dict(seed=3, scale=.5) and read['history'].mean() == 1.5


def test_plain_values_are_a_round_trip():
    hub = dict(log_scalars=OrderedDict(loss=HistoryBuffer([3., 1.], [1, 1], 10)), runtime_info=dict(iter=np.int64(4)))
    plain = to_plain(hub)
    back = from_plain(plain)
    assert back['log_scalars']['loss'].data[0].tolist() == [3., 1.] and back['runtime_info']['iter'] == 4
    assert type(plain['runtime_info']['iter']) is int


def test_a_write_that_fails_keeps_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / 'a.pth'
    AtomicBackend().put(b'old', path)

    def full(descriptor):
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr(os, 'fsync', full)
    with pytest.raises(ValueError, match='a.pth could not be written .No space left on device.'):
        AtomicBackend().put(b'new', path)
    assert path.read_bytes() == b'old' and len(list(tmp_path.iterdir())) == 1


def test_our_checkpoints_hold_tensors_and_builtin_types_only(trained):
    work_dir, _ = trained
    assert torch.serialization.get_unsafe_globals_in_checkpoint(work_dir / 'iter_6.pth') == []
    checkpoint = torch.load(work_dir / 'iter_6.pth', weights_only=True)
    assert checkpoint['meta']['iter'] == 6 and checkpoint['message_hub']['log_scalars']


@pytest.mark.parametrize('prefix', ['', 'backbone.'], ids=['backbone', 'segmentor'])
def test_a_rectangles_grid_survives_the_file(tmp_path, prefix):
    source = MAE(**{**SIZES, 'img_size': (16, 48)}, rel_pos_bias=True)
    randomise(source)
    torch.save({'state_dict': torch.nn.ModuleDict({'backbone': source}).state_dict() if prefix else
                source.state_dict()}, tmp_path / 'rectangle.pth')
    target = MAE(**{**SIZES, 'img_size': (48, 16)}, rel_pos_bias=True,
                 init_cfg=dict(type='Pretrained', checkpoint=str(tmp_path / 'rectangle.pth')))
    target.init_weights()
    expected = resize_pos_embed(source.pos_embed, (2, 6), (6, 2))
    assert torch.equal(target.pos_embed, expected) and not torch.equal(target.pos_embed, source.pos_embed)


def test_another_number_of_heads_is_refused(tmp_path):
    sizes = dict(img_size=32, patch_size=8, embed_dims=24, num_layers=1)
    torch.save(dict(state_dict=MAE(num_heads=3, **sizes).state_dict()), tmp_path / 'three.pth')
    for heads in (4, 3):
        model = MAE(num_heads=heads, init_cfg=dict(type='Pretrained', checkpoint=str(tmp_path / 'three.pth')), **sizes)
        if heads == 3:
            model.init_weights()
            continue
        with pytest.raises(InputError, match='3 attention heads in the file and 4 in the model; set .*num_heads=3'):
            model.init_weights()
