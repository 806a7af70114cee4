"""Commands that take images take folders and images in shards, with the results of the same on the disk."""
import json
import os

import numpy as np
import pytest

import mae_mm
from mae_mm.apis.sharding import make_shards
from mae_mm.visualization import read_rgb

from .conftest import run_inside
from .own_data import class_folders
from .own_data import scenes as write_scenes
from .test_evaluate import write_encoder


@pytest.fixture(scope='module')
def stored(here, tmp_path_factory):
    """Shards of the photos of ``here``."""
    root = tmp_path_factory.mktemp('stored')
    make_shards(str(here / 'photos'), str(root / 'shards'), 4000)
    return root / 'shards'


@pytest.mark.parametrize('command', ['reconstruct', 'pca', 'attention'])
def test_pictures(command, here, stored, tmp_path):
    for name, inputs in (('disk', [here / 'photos', here / 'photos/inner', here / 'photos/b.jpg']),
                         ('shards', [stored, stored / 'inner', stored / 'b.jpg'])):
        assert run_inside(command, here / 'whole.pth', *inputs, '--out', tmp_path / f'{name}.png') == 0
    assert (tmp_path / 'disk.png').read_bytes() == (tmp_path / 'shards.png').read_bytes()


def test_a_painted_mask_of_the_size_of_an_image_in_shards(here, stored):
    model, mask = mae_mm.load(here / 'whole.pth', device='cpu'), np.zeros((60, 40), np.uint8)
    mask[:30] = 255
    one, other = (model.reconstruct(str(root / 'b.jpg'), mask=mask)[0] for root in (here / 'photos', stored))
    assert np.array_equal(one.reconstruction, other.reconstruction) and not np.array_equal(one.visible, one.image)


def test_features(here, stored, tmp_path):
    for name, inputs in (('disk', [here / 'photos', here / 'photos/inner']), ('shards', [stored, stored / 'inner'])):
        assert run_inside('features', here / 'encoder.pth', *inputs, '--out', tmp_path / f'{name}.npz') == 0
    disk, shards = (np.load(tmp_path / f'{name}.npz') for name in ('disk', 'shards'))
    assert len(disk['features']) == 4 and np.array_equal(disk['features'], shards['features'])
    assert shards['paths'].tolist() == [f'{stored}/{name}' for name in (
        'a.png', 'b.jpg', 'inner/c.png', 'inner/c.png')]
    model = mae_mm.load(here / 'encoder.pth', device='cpu')
    tar = next(f'{stored}/{shard["name"]}' for shard in json.loads((stored / 'shards.json').read_text())['shards'])
    with_tar = [name for name in ('a.png', 'b.jpg', 'inner/c.png') if name.encode() in open(tar, 'rb').read()]
    assert model.features(f'{tar}/{with_tar[0]}').shape == (1, disk['features'].shape[1])  # as messages name it


def test_predictions(trained, scenes, tmp_path):
    photos, shards = scenes / 'images/validation', tmp_path / 'shards'
    make_shards(str(photos), str(shards))
    for name, source in (('disk', photos), ('of shards', shards)):
        assert run_inside('predict', trained[0] / 'iter_6.pth', source, '--out', tmp_path / name) == 0
    disk, shards = ({path.relative_to(tmp_path / name): path.read_bytes() for path in (tmp_path / name).rglob('*.png')}
                    for name in ('disk', 'of shards'))
    assert disk == shards and len(disk) == 10  # label maps and pictures


@pytest.mark.parametrize('multispectral', [False, True])
def test_statistics(multispectral, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    class_folders(tmp_path / 'photos', 2, multispectral=multispectral)
    make_shards('photos', 'shards')
    told = []
    for i, source in enumerate(('photos', 'shards', 'photos/coffee', 'shards/coffee')):
        assert run_inside('stats', source, '--out', f'{i}.json', '--nodata', 0) == 0
        found = json.loads((tmp_path / f'{i}.json').read_text())
        assert found.pop('folder') == str(tmp_path / source)
        told.append((found, capsys.readouterr().out.replace(f'{i}.json', 'x.json')))
    assert told[0] == told[1] != told[2] == told[3] and told[2][0]['images'] == 2
    assert len(told[0][0]['mean']) == (5 if multispectral else 3)
    assert ('need no such setting' in told[0][1]) is not multispectral
    name = f'coffee/04.{"tif" if multispectral else "jpg"}'
    assert np.array_equal(read_rgb(f'shards/{name}', nodata=0), read_rgb(f'photos/{name}', nodata=0))


def test_bands_of_shards_are_looked_at_before_a_run(tmp_path, error_of):
    class_folders(tmp_path / 'photos', 2, multispectral=True)
    make_shards(str(tmp_path / 'photos'), str(tmp_path / 'shards'))
    said = error_of('train', 'pretrain/mae_vit_folder', '--work-dir', tmp_path / 'run', '--cfg-options',
                    f'data_root={tmp_path}/shards')
    assert '.tif: 5 bands of uint16' in said and 'mae-mm stats DIR' in said and not (tmp_path / 'run').exists()


def test_evaluation(tmp_path):
    class_folders(tmp_path / 'photos', 10, side_px=32)
    make_shards(str(tmp_path / 'photos'), str(tmp_path / 'shards'))
    write_encoder(tmp_path / 'encoder.pth')
    results = []
    for name in ('photos', 'shards'):
        assert run_inside('evaluate', tmp_path / 'encoder.pth', '--on', f'folder:{tmp_path / name}', '--probes', 'knn',
                          '--out', tmp_path / f'of {name}') == 0
        results.append((tmp_path / f'of {name}/results.json').read_text().replace(name, 'NAME'))
    assert results[0] == results[1]


def test_what_is_not_there_and_what_would_be_written_into_shards(here, stored, error_of, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = sorted(os.listdir(stored))
    assert 'nothing: no such image or folder' in error_of('features', here / 'encoder.pth', stored / 'nothing',
                                                          '--out', 'x.npz')
    for command, model, out in (('features', 'encoder', 'inner/x.npz'), ('reconstruct', 'whole', 'inner/x.png'),
                                ('pca', 'encoder', 'x.png'), ('attention', 'encoder', 'inner/x.png')):
        said = error_of(command, here / f'{model}.pth', stored / 'inner', '--out', stored / out)
        assert f'the output would be among the data ({stored}); choose another folder' in said
    for out in ('x', 'inner/x'):
        said = error_of('predict', here / 'encoder.pth', stored / 'inner', '--out', stored / out)
        assert 'the output would be among the data' in said
    said = error_of('stats', stored / 'inner', '--out', stored / 'inner/x.json')
    assert 'the output would be among the data' in said
    assert sorted(os.listdir(stored)) == before
    assert 'no such folder' in error_of('evaluate', here / 'encoder.pth', '--on', f'folder:{stored}/nothing')
    for command in (('evaluate', here / 'encoder.pth', '--on', f'camvid:{stored}'),
                    ('train', 'mae/segment_folder', '--cfg-options', f'data_root={stored}'),
                    ('train', 'mae/upernet_folder', '--cfg-options', f'data_root={stored}/inner')):
        assert 'segmentation reads no shards; give a folder of images and label maps' in error_of(*command)
    write_scenes(tmp_path / 'scenes', 2)
    make_shards('scenes', 'stored scenes')  # not taken for class folders
    assert 'segmentation reads no shards' in error_of('evaluate', here / 'encoder.pth', '--on', 'folder:stored scenes')
