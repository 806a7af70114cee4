"""``mae-mm predict`` and ``mae-mm features``: what they write, and what they refuse."""
import csv
import json
import os

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from mae_mm.apis.models import load
from mae_mm.config import read_config
from mae_mm.datasets import ResizeEdge
from mae_mm.errors import InputError
from mae_mm.visualization import overlay, with_legend
from mae_mm.visualization.classification import captioned

from .conftest import run_inside

PREDICT, FEATURES = 'tools/predict.py', 'features'


@pytest.fixture(scope='module')
def photographs(scenes, tmp_path_factory):
    """Three images in nested folders, and one that is broken."""
    root = tmp_path_factory.mktemp('photographs')
    (root / 'inner').mkdir()
    for i, name in enumerate(('a.jpg', 'inner/a.jpg', 'inner/b.jpg')):
        (root / name).write_bytes((scenes / 'images' / 'validation' / f'{i}.jpg').read_bytes())
    (root / 'broken.jpg').write_bytes(b'no image')
    return root


def test_a_broken_image_does_not_end_it(trained, photographs, tmp_path, capsys):
    checkpoint = trained[0] / 'iter_6.pth'
    assert run_inside(PREDICT, checkpoint, photographs, '--out', tmp_path / 'o', '--probabilities') == 1
    output = capsys.readouterr()
    assert 'broken.jpg cannot be read as an image' in output.err and '1 of 4 images could not be read' in output.err
    assert output.out == f'3 predictions are in {tmp_path}/o\n'  # nothing glued to a bar
    report = json.loads((tmp_path / 'o' / 'predictions.json').read_text())
    assert list(report['not_read']) == [str(photographs / 'broken.jpg')]
    rows = list(csv.DictReader((tmp_path / 'o' / 'predictions.csv').open()))
    assert [row['label_map'] for row in rows] == ['labels/a.png', 'labels/inner/a.png', 'labels/inner/b.png']
    model = load(str(checkpoint))
    expected = model.predict(photographs / 'inner', probabilities=True)
    for row, name, prediction in zip(rows[1:], 'ab', expected, strict=True):
        label = Image.open(tmp_path / 'o' / row['label_map'])
        assert label.mode == 'P' and np.array_equal(np.asarray(label), prediction.label_map)
        assert label.getpalette()[:33] == model.palette.flatten().tolist()
        stored = np.load(tmp_path / 'o' / 'probabilities' / 'inner' / f'{name}.npz')['probabilities']
        np.testing.assert_allclose(stored, prediction.probabilities, atol=1e-3)
        shares = np.bincount(prediction.label_map.ravel(), minlength=11) / prediction.label_map.size
        assert [float(row[name]) for name in model.classes] == pytest.approx(shares.tolist(), abs=1e-6)
        assert cv2.imread(str(tmp_path / 'o' / 'pictures' / 'inner' / f'{name}.png')).shape[1] >= 200  # it can be read


def test_a_config_before_the_checkpoint_gives_the_same(config, trained, photographs, tmp_path):
    for i, first in enumerate(([], [config])):
        assert run_inside(PREDICT, *first, trained[0] / 'iter_6.pth', photographs / 'inner', '--out',
                          tmp_path / str(i)) == 0
    one, two = ((tmp_path / name / 'predictions.csv').read_bytes() for name in '01')
    assert one == two


def test_what_would_replace_something_is_refused(error_of, trained, photographs, tmp_path):
    checkpoint, inner = trained[0] / 'iter_6.pth', photographs / 'inner'
    for out in (inner, photographs, inner / 'out'):
        assert 'the output would be among the images' in error_of(PREDICT, checkpoint, inner, '--out', out)
    assert 'the output would be among the images' in error_of(PREDICT, checkpoint, inner / 'a.jpg', '--out', inner)
    assert sorted(path.name for path in inner.iterdir()) == ['a.jpg', 'b.jpg']
    twice = error_of(PREDICT, checkpoint, photographs / 'a.jpg', inner / 'a.jpg', '--out', tmp_path / 'o')
    assert 'would be written under one name' in twice and not (tmp_path / 'o').exists()
    (tmp_path / 'file').write_text('')
    assert 'file is a file, and the output needs' in error_of(PREDICT, checkpoint, inner, '--out', tmp_path / 'file')


def test_what_cannot_be_predicted(error_of, trained, photographs, tmp_path):
    checkpoint, out = trained[0] / 'iter_6.pth', ('--out', tmp_path / 'o')
    assert 'there are no images' in error_of(PREDICT, checkpoint)
    assert 'none.jpg: no such image or folder' in error_of(PREDICT, checkpoint, 'none.jpg', *out)
    assert 'none.pth: no such checkpoint' in error_of(PREDICT, 'none.pth', photographs, *out)
    assert '--opacity 2.0 is not from 0 to 1' in error_of(PREDICT, checkpoint, photographs, *out, '--opacity', '2')
    assert '--topk 0 is not' in error_of(PREDICT, checkpoint, photographs, *out, '--topk', '0')
    assert 'batch_size=0' in error_of(PREDICT, checkpoint, photographs, *out, '--batch-size', '0')
    assert 'settings are of a config' in error_of(PREDICT, checkpoint, photographs, *out, '--cfg-options', 'a=1')
    bare = tmp_path / 'bare.pth'
    torch.save(torch.load(checkpoint, weights_only=True)['state_dict'], bare)
    assert 'bare.pth holds no config' in error_of(PREDICT, bare, photographs, *out)


def test_features_are_written_with_their_paths(config, trained, photographs, tmp_path, error_of):
    checkpoint, inner = trained[0] / 'iter_6.pth', photographs / 'inner'

    def features(*options):
        assert run_inside(FEATURES, checkpoint, inner, '--out', tmp_path / 'f.npz', *options) == 0
        return dict(np.load(tmp_path / 'f.npz'))

    written = features()
    assert written['paths'].tolist() == [str(inner / 'a.jpg'), str(inner / 'b.jpg')]
    model = load(str(config), str(checkpoint))
    assert np.array_equal(written['features'], model.features(inner, as_numpy=True))
    assert features('--kind', 'maps', '--layers', '-1')['features'].shape == (2, 16, 4, 4)
    assert set(features('--layers', '0', '-1')) == {'paths', 'features_0', 'features_-1'}
    assert 'layers has layer 7' in error_of(FEATURES, checkpoint, inner, '--out', tmp_path / 'g.npz', '--layers',
                                                 '7')
    assert 'named .npz' in error_of(FEATURES, checkpoint, inner, '--out', tmp_path / 'g.txt')
    assert not (tmp_path / 'g.npz').exists()


def test_overlays_and_legends():
    image = np.full((4, 6, 3), 100, np.uint8)
    labels = np.array([[0, 1, 255, 0, 0, 0]] * 4)
    palette = np.array([[0, 0, 0], [200, 0, 50]], np.uint8)
    assert np.array_equal(overlay(image, labels, palette, 0.), image)
    assert overlay(image, labels, palette, 1.)[0, 1].tolist() == [200, 0, 50]
    assert overlay(image, labels, palette)[0, :3].tolist() == [[50] * 3, [150, 50, 75], [50] * 3]
    colours = dict(ground=[0, 0, 0], thing=[200, 0, 50], nothing=[0, 255, 0])
    picture = with_legend(image, dict(ground=.8, thing=.2, nothing=0.), colours)
    assert picture.shape[1] >= 200 and (picture[-20:] == (200, 0, 50)).all(axis=-1).any()
    assert not (picture == (0, 255, 0)).all(axis=-1).any()  # a class that does not occur is not there


def test_configs_name_their_test_pipeline():
    for name in ('mae/upernet_folder', 'finetune/vit_folder', 'pretrain/mae_vit_folder'):
        cfg = read_config(name)
        assert cfg.test_pipeline == cfg.test_dataloader.dataset.pipeline  # which the hosts' inferencers read


def test_a_test_writes_nested_images_apart_and_never_over_its_data(config, trained, scenes, tmp_path, error_of):
    for kind, suffix in (('images', 'jpg'), ('annotations', 'png')):
        for split in ('training', 'validation'):
            for folder in ('', 'one/', 'two/'):
                path = tmp_path / 'data' / kind / split / f'{folder}0.{suffix}'
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes((scenes / kind / 'validation' / f'0.{suffix}').read_bytes())

    def call(*args):
        return ('tools/test.py', config, trained[0] / 'iter_6.pth', '--work-dir', tmp_path / 'w', '--cfg-options',
                f'data_root={tmp_path}/data', *args)

    assert run_inside(*call('--out', tmp_path / 'labels', '--show-dir', tmp_path / 'show')) == 0
    for folder in ('labels', 'show'):
        assert {str(path.relative_to(tmp_path / folder)) for path in (tmp_path / folder).rglob('*.png')} == {
            '0.png', 'one/0.png', 'two/0.png'}
    labels = tmp_path / 'data/annotations/validation'
    before = (labels / 'one/0.png').read_bytes()
    for option in ('--out', '--show-dir'):
        assert 'the output would be among the images' in error_of(*call(option, labels))
    assert (labels / 'one/0.png').read_bytes() == before


def test_pictures_of_very_narrow_images_stay_small():
    for height, width in ((5000, 1), (1, 5000), (1, 1), (40, 3)):
        image = np.zeros((height, width, 3), np.uint8)
        assert captioned(image, ['a']).shape[0] <= 2048 + 24 and captioned(image, ['a']).shape[1] == 256
        picture = with_legend(image, {'a': 1.}, {'a': (1, 2, 3)})
        assert picture.shape[0] <= max(2048, height) + 64 and picture.shape[1] >= 200


def test_an_image_that_would_become_too_large_is_refused():
    resize = ResizeEdge(scale=256, edge='short')
    assert resize(dict(img=np.zeros((100, 50, 3), np.uint8)))['img'].shape == (512, 256, 3)
    with pytest.raises(InputError, match='long.jpg: 5000x1 pixels would become 327,680,000'):
        resize(dict(img=np.zeros((5000, 1, 3), np.uint8), img_path='long.jpg'))


def test_names_that_are_not_utf8_lose_nothing(trained, photographs, tmp_path, capsys):
    name = os.fsdecode(b'm\xff.jpg')
    (tmp_path / 'photographs').mkdir()
    (tmp_path / 'photographs' / name).write_bytes((photographs / 'a.jpg').read_bytes())
    assert run_inside(PREDICT, trained[0] / 'iter_6.pth', tmp_path / 'photographs', '--out', tmp_path / 'o') == 0
    assert b'm\xff.jpg,' in (tmp_path / 'o' / 'predictions.csv').read_bytes()
    assert name in json.loads((tmp_path / 'o' / 'predictions.json').read_text())['images'][0]['path']
    assert (tmp_path / 'o' / 'labels' / name.replace('.jpg', '.png')).is_file()
