"""One's own data from images to predictions, each step one command, from an empty folder: RGB, and five bands."""
import json

import cv2
import numpy as np
import pytest

from mae_mm.cli import run

from .own_data import CLASSES, class_folders, scenes

# What makes the steps short here; docs/own_data.md has the commands without.
SHORT = ['train_dataloader.num_workers=0', 'train_dataloader.persistent_workers=False', 'val_dataloader.num_workers=0',
         'val_dataloader.persistent_workers=False', 'randomness.seed=0']
EPOCH, ITERATIONS = ['max_epochs=1', *SHORT], ['max_iters=2', 'batch_size=2', *SHORT]


@pytest.fixture
def command(tmp_path, monkeypatch, capsys):
    """``mae-mm`` in an empty folder beside the data; what it printed."""
    folder = tmp_path / 'empty'
    folder.mkdir()
    monkeypatch.chdir(folder)

    def call(*args, status=0):
        with pytest.raises(SystemExit) as stopped:
            run([str(arg) for arg in args])
        output = capsys.readouterr()
        assert stopped.value.code == status, output.err[-2000:]
        return output.out
    return call


@pytest.mark.parametrize('multispectral', [False, True])
def test_from_images_to_predictions(tmp_path, command, multispectral):
    class_folders(tmp_path / 'classes', 12, multispectral=multispectral)
    scenes(tmp_path / 'scenes', 4, multispectral=multispectral)
    own = []
    if multispectral:
        command('stats', tmp_path / 'classes', '--out', 'stats.json')
        own = ['statistics=stats.json']
    work = tmp_path / 'empty' / 'work_dirs'

    command('train', 'pretrain/mae_vit_folder', '--cfg-options', f'data_root={tmp_path}/classes', 'img_size=32', *own,
            *EPOCH)
    start = [f'checkpoint={work}/mae_vit_folder/epoch_1.pth', 'img_size=32']  # which knows the statistics
    assert 'k=1' in command('knn', 'knn/vit_knn_folder', '--cfg-options', f'data_root={tmp_path}/classes', *start)
    assert 'top-1' in command('probe', 'linear_probe/vit_linear_folder', '--cfg-options',
                              f'data_root={tmp_path}/classes', *start)
    command('train', 'finetune/vit_folder', '--cfg-options', f'data_root={tmp_path}/classes', *start, *EPOCH)
    command('test', 'finetune/vit_folder', work / 'vit_folder' / 'epoch_1.pth', '--cfg-options',
            f'data_root={tmp_path}/classes', 'img_size=32')
    if multispectral:
        command('export', 'finetune/vit_folder', work / 'vit_folder' / 'epoch_1.pth', 'classifier.pt2',
                '--cfg-options', 'img_size=32')
    command('train', 'mae/upernet_folder', '--cfg-options', f'data_root={tmp_path}/scenes', start[0],
            'crop_size=32,32', *ITERATIONS)
    command('test', 'mae/upernet_folder', work / 'upernet_folder' / 'iter_2.pth', '--cfg-options',
            f'data_root={tmp_path}/scenes', 'crop_size=32,32')

    command('predict', work / 'vit_folder' / 'epoch_1.pth', tmp_path / 'classes', '--out', 'classes')
    lines = (tmp_path / 'empty' / 'classes' / 'predictions.csv').read_text().splitlines()
    assert len(lines) == 1 + 36 and any(name in lines[1] for name in CLASSES)
    command('predict', work / 'upernet_folder' / 'iter_2.pth', tmp_path / 'scenes' / 'images', '--out', 'labels')
    label = cv2.imread(str(tmp_path / 'empty' / 'labels' / 'labels' / '00.png'), cv2.IMREAD_UNCHANGED)
    assert label is not None and json.loads((tmp_path / 'empty' / 'labels' / 'predictions.json').read_text())
    command('features', work / 'mae_vit_folder' / 'epoch_1.pth', tmp_path / 'classes', '--out', 'features.npz')
    assert np.load(tmp_path / 'empty' / 'features.npz')['features'].shape == (36, 192)
