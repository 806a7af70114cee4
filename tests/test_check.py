"""``mae-mm check``: a run looked at before it is started."""
import json

import cv2
import numpy as np

from .conftest import run_inside
from .own_data import class_folders, scenes

SMALL = ('model.backbone.arch=None', 'model.backbone.patch_size=8', 'model.backbone.embed_dims=16',
         'model.backbone.num_layers=2', 'model.backbone.num_heads=2', 'train_dataloader.num_workers=0',
         'train_dataloader.persistent_workers=False', 'val_dataloader.num_workers=0',
         'val_dataloader.persistent_workers=False')


def test_what_a_run_will_meet_is_found_and_nothing_is_written(tmp_path, monkeypatch, capsys):
    class_folders(tmp_path / 'data', 4)
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'data/coffee/copy.jpg').write_bytes((tmp_path / 'data/coffee/08.jpg').read_bytes())
    options = ('pretrain/mae_vit_folder', '--cfg-options', f'data_root={tmp_path}/data', 'img_size=32', 'max_epochs=3',
               'held_out=0', *SMALL)
    assert run_inside('check', *options[:1], '--out', 'report.json', *options[1:]) == 1  # trained and held out alike
    report = json.loads((tmp_path / 'report.json').read_text())
    assert {path.name for path in tmp_path.iterdir()} == {'data', 'report.json'}
    train = report['data']['train']
    assert train['images'] == 13 and train['sizes'] == {'64x80': 13} and not train['cannot_be_used']
    assert sorted(path[-8:] for path in train['copies'][0]) == ['/08.jpg', 'copy.jpg'] or len(train['copies'][0]) == 2
    assert report['in_both'] == 12 and report['run']['iterations'] == 3 and report['run']['seconds_a_step'] > 0
    assert 'in both the training and the validation data: 12 images' in capsys.readouterr().out
    assert run_inside('check', *options[:3], 'img_size=32', *SMALL) == 0


def test_all_images_that_cannot_be_used_are_named_at_once(tmp_path, capsys):
    scenes(tmp_path / 's', 4)
    for i in (2, 5):
        label = np.zeros((64, 80), np.uint8)
        label[3, 3] = 77
        cv2.imwrite(str(tmp_path / f's/labels/{i:02d}.png'), label)
    rest = ('mae/upernet_folder', '--cfg-options', f'data_root={tmp_path}/s', 'crop_size=32,32', 'width=16',
            'model.backbone.init_cfg=None', 'model.backbone.out_indices=[0,0,1,1]', *SMALL)
    image = (tmp_path / 's/images/07.jpg').read_bytes()
    (tmp_path / 's/images/07.jpg').write_bytes(image[:len(image) // 2])
    assert run_inside('check', rest[0], '--out', tmp_path / 'report.json', *rest[1:]) == 1
    report = json.loads((tmp_path / 'report.json').read_text())
    told = ' '.join(text for part in report['data'].values() for text in part['cannot_be_used'])
    assert all(name in told for name in ('02.png: label 77 is not a class', '05.png: label 77 is not a class'))
    assert 'cannot be used' in capsys.readouterr().out
