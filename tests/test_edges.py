"""What a user meets at the edge: words of the command line, files that are in the way, folders of something else."""
import json
import os
import subprocess
import sys

import numpy as np
import pytest
import torch

from mae_mm import load
from mae_mm.apis.measurements import Results
from mae_mm.cli.common import _value
from mae_mm.config import read_config
from mae_mm.models import MAE

from . import own_data
from .conftest import run_inside

SIZES = dict(img_size=32, patch_size=8, embed_dims=32, num_layers=2, num_heads=2)
SMALL = ['img_size=32', 'model.backbone.arch=None', 'model.backbone.patch_size=8',
         *(f'model.backbone.{name}={SIZES[name]}' for name in ('embed_dims', 'num_layers', 'num_heads'))]
NO_WORKERS = ['train_dataloader.num_workers=0', 'val_dataloader.num_workers=0', 'batch_size=2']


@pytest.fixture
def encoder(tmp_path, monkeypatch):
    """The file of an encoder, in the folder in which a test runs."""
    monkeypatch.chdir(tmp_path)
    torch.save(MAE(**SIZES).state_dict(), tmp_path / 'encoder.pth')
    return 'encoder.pth'


@pytest.mark.parametrize('word, value', [
    ('two words', 'two words'), ('a b,c', ['a b', 'c']), ('"a, b"', 'a, b'), ("'7'", '7'), ("it's", "it's"),
    ('96,96', [96, 96]), ('(96, 96)', (96, 96)), ('[(1,2),[a,"b,c"]]', [(1, 2), ['a', 'b,c']]), ('1,', [1]),
    ('[]', []), ('1e-3', 1e-3), ('true', True), ('None', None), ('', ''), ('f(1,2)', 'f(1,2)')])
def test_a_word_of_the_command_line(word, value):
    assert _value(word) == value and type(_value(word)) is type(value)


def test_a_folder_with_a_space_is_that_folder(encoder, tmp_path, capsys, error_of):
    own_data.class_folders(tmp_path / 'my photos', count=2, side_px=32)
    own_data.class_folders(tmp_path / 'myphotos' / 'deeper', count=2, side_px=32)
    assert run_inside('knn', 'knn/vit_knn_folder', encoder, '--cfg-options', 'data_root=my photos', *SMALL) == 0
    assert 'of 3 classes' in capsys.readouterr().out
    said = error_of('knn', 'knn/vit_knn_folder', encoder, '--cfg-options', 'data_root=a,b')
    assert "one with a comma in quotes of its own, '\"a,b\"'" in said


def test_nothing_is_replaced_by_a_conversion_that_was_not_told_to(encoder, tmp_path, error_of):
    (tmp_path / 'script.py').write_text('print()')
    (tmp_path / 'other.pth').write_bytes(b'weights of days')
    assert 'script.py: weights are written to a file named .pth, .pt, .bin, .safetensors' in error_of(
        'convert', encoder, 'script.py')
    assert 'other.pth is there already; choose another name, or --overwr' in error_of('convert', encoder, 'other.pth')
    assert run_inside('convert', encoder, 'folder', '--to', 'huggingface') == 0
    assert 'config.json is there already' in error_of('convert', encoder, 'folder', '--to', 'huggingface')
    assert (tmp_path / 'other.pth').read_bytes() == b'weights of days'
    assert run_inside('convert', encoder, 'other.pth', '--overwrite') == 0
    torch.load('other.pth', weights_only=True)


@pytest.mark.parametrize('args, says', [
    (['check', 'pretrain/mae_vit_folder', '--out', 'classes.txt'], 'the report is written to a file named .json'),
    (['stats', '.', '--out', 'image.png'], 'statistics are written to a file named .json'),
    (['export', 'pretrain/mae_vit_folder', 'encoder.pth', 'x.pt2', '--opset', 18], '--opset is for ONNX'),
    (['knn', 'knn/vit_knn_folder', 'encoder.pth', '--seed', 3, '--cfg-options', 'data_root=few', *SMALL],
     "--seed 3 is of the random weights of 'untrained'"),
    (['features', 'pretrain/mae_vit_foldr', 'encoder.pth', 'few', '--out', 'f.npz'],
     "no such config; is it 'pretrain/mae_vit_folder'?"),
    (['evaluate', 'encoder.pth', '--on', 'folder:few', '--num-heads', 4], 'each of these checkpoints stores its own'),
    (['train', 'pretrain/mae_vit_folder', '--work-dir', 'few/runs', '--cfg-options', 'data_root=few'],
     'few/runs: the output would be among the data (few/); choose another folder by --work-dir'),
    (['train', 'pretrain/mae_vit_folder', '--cfg-options', 'data_root=few', 'train_dataloader.dataset.held_out=.5'],
     'training images would be measured on; --cfg-options held_out=SHARE changes both'),
    (['train', 'linear_probe/vit_linear_folder', '--cfg-options', 'data_root=few', 'checkpoint=encoder.pth', *SMALL,
      'model.head.in_channels=32', 'model.neck.input_features=32', 'batch_size=1'],
     'batch normalisation in model.neck needs two images'),
    (['train', 'finetune/vit_folder', '--cfg-options', 'data_root=few', 'checkpoint=encoder.pth', *SMALL, *NO_WORKERS,
      'model.head.in_channels=32', 'default_hooks.checkpoint.save_best=accuracy/top5'], 'there are accuracy/top1'),
    (['train', 'pretrain/mae_vit_folder', '--cfg-options', 'data_root=few', 'img_size=100000'],
     'images of 6250x6250 patches: at most 1,048,576'),
    (['knn', 'knn/vit_knn_folder', 'encoder.pth', '--cfg-options', 'data_root=scenes', *SMALL],
     'scenes: images and label maps, for a segmentor')])
def test_what_has_no_effect_or_cannot_be_is_told_before_the_run(encoder, tmp_path, error_of, args, says):
    own_data.class_folders(tmp_path / 'few', count=3, side_px=32)
    own_data.scenes(tmp_path / 'scenes', count=1, side_px=48)
    assert says in error_of(*args)
    assert not os.path.exists('few/runs')


def test_modules_of_ones_own_are_found_where_the_message_says(encoder, tmp_path, error_of, monkeypatch):
    (tmp_path / 'my_module.py').write_text('')
    (tmp_path / 'own.py').write_text("_base_ = 'mae_mm::pretrain/mae_vit_folder.py'\n"
                                     "custom_imports = dict(imports=['mae_mm', 'my_module'])\n")
    assert 'PYTHONPATH=. mae-mm' in error_of('train', 'own.py')
    monkeypatch.setattr(sys, 'path', [str(tmp_path), *sys.path])
    assert read_config('own.py').custom_imports.imports == ['mae_mm', 'my_module']
    sys.modules.pop('my_module')


@pytest.mark.parametrize('options, says', [
    (dict(data=['folder:few']), 'it is KIND:DIR'), (dict(data='folder:few', interval=1.5), 'whole numbers from 1 on'),
    (dict(data='folder:few', k='20'), 'whole numbers from 1 on'), (dict(data='folder:no'), 'data=folder:no: no such')])
def test_a_probe_that_cannot_be_is_told(encoder, tmp_path, error_of, options, says):
    own_data.class_folders(tmp_path / 'few', count=3, side_px=32)
    (tmp_path / 'own.py').write_text("_base_ = 'mae_mm::pretrain/mae_vit_folder.py'\n"
                                     f"custom_hooks = [dict(type='mae_mm.ProbeHook', **{options})]\n")
    assert says in error_of('train', 'own.py', '--cfg-options', 'data_root=few', *SMALL, *NO_WORKERS)


def test_two_evaluations_in_one_folder_keep_each_others_results(tmp_path):
    first, second = (Results(str(tmp_path)) for _ in range(2))
    names = dict(checkpoint='a', data='d', probe='knn', pooling='mean', layer=0, shots='all', metric='top1')
    facts = dict(train_images=1, test_images=1, weights='0', size='1x1', norm=True)
    first.put('one', names, {'0': 1.}, **facts)
    second.put('two', names, {'0': 2.}, **facts)
    first.save()
    second.save()
    assert [row['mean'] for row in json.loads((tmp_path / 'results.json').read_text())['results']] == [1., 2.]
    assert len((tmp_path / 'results.csv').read_text().splitlines()) == 3


def test_an_encoder_of_another_package_is_exported_by_a_config_of_pre_training(encoder):
    command = [sys.executable, '-m', 'mae_mm', 'export', 'pretrain/mae_vit_folder', encoder, 'x.pt2', '--cfg-options']
    # Apart: after it, and a training, no fork of a process can train, as other tests do.
    subprocess.run([*command, *SMALL], check=True)
    assert os.path.exists('x.pt2')


def test_a_segmentor_gives_features_of_images_of_any_size_and_knows_its_classes(encoder, tmp_path, error_of):
    own_data.scenes(tmp_path / 'scenes', count=2, side_px=48)
    options = ['--cfg-options', 'data_root=scenes', 'crop_size=32', 'max_iters=1', 'checkpoint=encoder.pth',
               'width=32', *SMALL[1:], *NO_WORKERS]
    assert run_inside('train', 'mae/segment_folder', '--work-dir', 'run', *options) == 0
    model = load('run/iter_1.pth')
    images = [np.zeros(size, np.uint8) for size in ((74, 78, 3), (32, 48, 3))]
    maps = model.features(images, kind='maps', progress=False)
    assert [tuple(found.shape[-2:]) for found in maps] == [
        tuple(round(side / 8) for side in view.shape[:2]) for view in model.views(images, progress=False)]
    names = tmp_path / 'scenes' / 'classes.txt'
    names.write_text('\n'.join(names.read_text().splitlines()[::-1]))
    said = error_of('test', 'mae/segment_folder', 'run/iter_1.pth', *options)
    assert 'test_dataloader has other classes than the checkpoint: in another order' in said
    shares = 'val_dataloader.dataset.held_out=.6'
    assert 'of val_dataloader are training images too' in error_of(
        'train', 'mae/segment_folder', '--work-dir', 'other', *options, shares)
