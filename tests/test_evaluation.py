"""Data sets with labels and what is measured on them."""
import csv
import json

import cv2
import numpy as np
import pytest
import timm.data
import torch
from mmengine.registry import init_default_scope
from mmpretrain.registry import MODELS

from mae_mm.config.reading import read_config
from mae_mm.datasets import ImageNetFolder, ListedImages
from mae_mm.datasets.folder import imagenet_synsets
from mae_mm.errors import InputError
from mae_mm.evaluation import Accuracy, CorruptionError
from mae_mm.evaluation.classification import ALEXNET_ERROR, SEVERITIES, among
from mae_mm.evaluation.neighbours import neighbours_accuracy
from mae_mm.outputs import check_apart

from .conftest import ROOT, run_inside


def picture(path, value=0, side=32):
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.full((side, side, 3), value, np.uint8))


def test_synsets_are_in_the_order_of_the_published_classes():
    info = timm.data.ImageNetInfo()
    synsets = imagenet_synsets()
    assert list(synsets) == info.label_names() and list(synsets.values()) == list(range(1000))
    assert [name.split(',')[0].lower() for name in ImageNetFolder.METAINFO['classes'][:3]] == [
        'tench', 'goldfish', 'great white shark']


def test_some_classes_of_imagenet_keep_their_numbers(tmp_path):
    picture(tmp_path / 'deep/er/n01443537/a.jpg')
    picture(tmp_path / 'n15075141/b.png')
    dataset = ImageNetFolder(data_root=str(tmp_path))
    assert [dataset.get_data_info(i)['gt_label'] for i in range(2)] == [1, 999]
    assert dataset.metainfo['class_ids'] == (1, 999) and len(dataset.metainfo['classes']) == 1000
    picture(tmp_path / 'tench/c.jpg')
    with pytest.raises(ValueError, match='tench is not a class of ImageNet-1K, whose images are in'):
        ImageNetFolder(data_root=str(tmp_path))


def test_lists_of_places_and_of_inaturalist(tmp_path):
    lists = {
        'a.txt': '/b/big wood.jpg 1\n/a/x.jpg 0\n\n', 'a.csv': 'b/big wood.jpg,1\na/x.jpg,0\n',
        'a.json': json.dumps(dict(
            images=[dict(id=7, file_name='b/big wood.jpg'), dict(id=3, file_name='a/x.jpg')],
            annotations=[dict(image_id=3, category_id=20), dict(image_id=7, category_id=40)],
            categories=[dict(id=40), dict(id=20)]))}
    for name, text in lists.items():
        (tmp_path / name).write_text(text)
        dataset = ListedImages(num_classes=2, data_root=str(tmp_path), data_prefix='images', ann_file=name)
        found = [(dataset.get_data_info(i)['img_path'], dataset.get_data_info(i)['gt_label']) for i in range(2)]
        assert found == [(f'{tmp_path}/images/b/big wood.jpg', 1), (f'{tmp_path}/images/a/x.jpg', 0)]
    with pytest.raises(ValueError, match='a.txt: label 1 of /b/big wood.jpg is not a class; classes are 0 to 0'):
        ListedImages(num_classes=1, data_root=str(tmp_path), ann_file='a.txt')
    for text in ('x.jpg\n', 'x.jpg one\n'):
        (tmp_path / 'bad.txt').write_text(text)
        with pytest.raises(ValueError, match='bad.txt cannot be read as a list of images and labels: '):
            ListedImages(num_classes=2, data_root=str(tmp_path), ann_file='bad.txt')
    with pytest.raises(ValueError, match='none.txt cannot be read as a list'):
        ListedImages(num_classes=2, data_root=str(tmp_path), ann_file='none.txt')


def test_predictions_among_the_classes_that_are_there():
    score = torch.tensor([.5, .1, .3, .1])
    torch.testing.assert_close(among(score, (1, 2)), torch.tensor([0, .25, .75, 0]))
    metric = Accuracy(topk=(1, ), among_present=True)
    metric.dataset_meta = dict(class_ids=(1, 2))
    sample = dict(pred_score=score, gt_label=torch.tensor([2]), pred_label=torch.tensor([0]))
    metric.process(None, [sample])
    assert metric.evaluate(1) == {'accuracy/top1': 100.}


def corrupted(right):
    """Samples of all corruptions, ``right(corruption, severity)`` of four correct in each."""
    return [dict(img_path=f'/data/{corruption}/{severity}/n01440764/{i}.JPEG', gt_label=torch.tensor([0]),
                 pred_label=torch.tensor([0 if i < right(corruption, int(severity)) else 1]))
            for corruption in ALEXNET_ERROR for severity in SEVERITIES for i in range(4)]


def test_corruption_error_is_relative_to_alexnets():
    metric = CorruptionError()
    metric.process(None, corrupted(lambda corruption, severity: 4 if corruption == 'fog' else 1))
    found = metric.evaluate(len(metric.results))
    expected = [0. if corruption == 'fog' else .75 / error for corruption, error in ALEXNET_ERROR.items()]
    assert found['mCE'] == pytest.approx(100 * sum(expected) / 15)
    assert found['top1'] == pytest.approx(100 * (14 * .25 + 1) / 15)
    metric.process(None, [sample for sample in corrupted(lambda *_: 1) if 'snow/3' not in sample['img_path']])
    with pytest.raises(ValueError, match='this folder lacks 1, such as snow/3'):
        metric.evaluate(len(metric.results))


def test_neighbours_vote_by_their_cosines():
    bank = torch.tensor([[1., 0.], [.9, .1], [0., 3.], [.1, 2.]]), torch.tensor([0, 0, 1, 1])
    asked = torch.tensor([[5., .1], [0., .2], [1., 1.1]]), torch.tensor([0, 1, 0])
    assert neighbours_accuracy(bank, asked, [1, 4]) == pytest.approx([2 / 3, 2 / 3])
    many = asked[0].repeat(200, 1), asked[1].repeat(200)  # more than one part of the queries
    assert neighbours_accuracy(bank, many, [1]) == pytest.approx([2 / 3])


TINY = """
_base_ = '{root}/configs/finetune/vit-base-p16_8xb128-coslr-100e_in1k.py'
model = dict(backbone=dict(arch=None, embed_dims=16, num_layers=2, num_heads=2), head=dict(in_channels=16))
test_dataloader = dict(batch_size=3, num_workers=0, persistent_workers=False)
"""


@pytest.mark.parametrize('name', ['imagenet-a', 'imagenet-r', 'imagenet-sketch', 'imagenet-c'])
def test_a_classifier_is_tested_on_other_sets(name, tmp_path, error_of):
    (tmp_path / 'tiny.py').write_text(TINY.format(root=ROOT))
    cfg = read_config(str(tmp_path / 'tiny.py'))
    init_default_scope(cfg.default_scope)
    torch.save(MODELS.build(cfg.model).state_dict(), tmp_path / 'tiny.pth')
    places = [f'{corruption}/{severity}/' for corruption in ALEXNET_ERROR for severity in SEVERITIES]
    for place in places if name == 'imagenet-c' else ['']:
        for i, synset in enumerate(('n01443537', 'n15075141')):
            picture(tmp_path / f'data/{place}{synset}/{i}.png', 100 * i, 224)
    args = ('tools/test.py', tmp_path / 'tiny.py', tmp_path / 'tiny.pth', '--on', name, '--work-dir', tmp_path,
            '--cfg-options', f'test_dataloader.dataset.data_root={tmp_path}/data')
    assert run_inside(*args) == 0
    metrics = json.loads((tmp_path / 'metrics.json').read_text())['metrics']
    if name == 'imagenet-c':
        assert metrics['mCE'] > 0 and '--out is for' in error_of(*args[:5], '--out', tmp_path, *args[5:])
        return
    assert ('accuracy/top5' in metrics) == (name == 'imagenet-sketch')
    if name != 'imagenet-sketch':
        assert run_inside(*args[:5], '--out', tmp_path, *args[5:]) == 0
        with open(tmp_path / 'predictions.csv') as file:
            rows = list(csv.DictReader(file))
        two = {row['label'] for row in rows}  # other classes are not among the predictions
        assert len(rows) == len(two) == 2 and {row['prediction'] for row in rows} <= two


def test_a_table_of_predictions_is_not_written_among_the_images(tmp_path):
    check_apart(str(tmp_path), str(tmp_path / 'data'))
    for place in ('data', 'data/val/cat'):
        with pytest.raises(InputError, match='the output would be among the data'):
            check_apart(str(tmp_path / place), str(tmp_path / 'data'))
