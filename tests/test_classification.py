"""Classifiers: what is pooled, what is frozen, how they learn, and how they are measured."""
import csv
import json
import math

import cv2
import numpy as np
import pytest
import torch

from mae_mm import MAE
from mae_mm.config.hardware import fit_to_hardware
from mae_mm.config.reading import read_config
from mae_mm.engine.building import build_runner

from . import official
from .conftest import ROOT, run_in_two, run_inside

SIZES = dict(img_size=32, patch_size=8, embed_dims=16, num_layers=3, num_heads=2)
CONFIG = """
_base_ = ['{root}/configs/_base_/models/mae_classify.py', '{root}/configs/_base_/datasets/imagenet.py',
          '{root}/configs/_base_/schedules/{schedule}.py', '{root}/configs/_base_/classify_runtime.py']
model = dict(data_preprocessor=dict(num_classes=3),
             backbone=dict(arch=None, img_size=32, patch_size=8, embed_dims=16, num_layers=3, num_heads=2),
             head=dict(num_classes=3, in_channels=16))
train_pipeline = [dict(type='mae_mm.SeedSample'), dict(type='mae_mm.LoadImage'),
                  dict(type='RandomFlip', prob=.5), dict(type='PackInputs')]
test_pipeline = [dict(type='mae_mm.LoadImage'), dict(type='PackInputs')]
dataset = dict(type='mae_mm.ClassFolder', data_root='{data}')
train_dataloader = dict(batch_size=5, num_workers=0, persistent_workers=False,
                        dataset=dict(**dataset, pipeline=train_pipeline))
val_dataloader = dict(batch_size=4, num_workers=0, persistent_workers=False,
                      dataset=dict(**dataset, pipeline=test_pipeline))
test_dataloader = val_dataloader
val_evaluator = dict(topk=(1, 2))
test_evaluator = val_evaluator
train_cfg = dict(max_epochs=2)
param_scheduler = dict(warmup=1)
default_hooks = dict(logger=dict(interval=1))
randomness = dict(seed=3)
"""
PROBE = """
model = dict(backbone=dict(out_type='cls_token', trainable_layers=0),
             neck=dict(type='ClsBatchNormNeck', input_features=16))
"""


@pytest.fixture(scope='session')
def classes(tmp_path_factory):
    """Class folders a, b, c of 12 training and 11 validation images in all, of 32 x 32."""
    root = tmp_path_factory.mktemp('classes')
    rng = np.random.default_rng(0)
    for split, counts in (('train', (4, 4, 4)), ('val', (5, 3, 3))):
        for name, count in zip('abc', counts, strict=True):
            (root / split / name).mkdir(parents=True)
            for i in range(count):
                image = rng.integers(0, 80 * ('abc'.index(name) + 1), size=(32, 32, 3)).astype(np.uint8)
                cv2.imwrite(str(root / split / name / f'{i}.png'), image)
    return root


@pytest.fixture(scope='session')
def classify(classes, tmp_path_factory):
    """Write a config: ``classify(more)``, with the schedule of fine-tuning or of the linear probe."""
    folder = tmp_path_factory.mktemp('config')

    def write(more='', schedule='finetune'):
        path = folder / f'{schedule}.py'
        path.write_text(CONFIG.format(root=ROOT, data=classes, schedule=schedule))
        if more:
            path = folder / f'{schedule}_{abs(hash(more))}.py'
            path.write_text(f"_base_ = './{schedule}.py'\n{more}")
        return path

    return write


@pytest.fixture(scope='session')
def classifier(classify, tmp_path_factory):
    """A config and the checkpoint of a run of it."""
    work_dir = tmp_path_factory.mktemp('classifier')
    assert run_inside('tools/train.py', classify(), '--work-dir', work_dir) == 0
    return classify(), work_dir / 'epoch_2.pth'


@torch.no_grad()
@pytest.mark.parametrize('bias', [False, True])
def test_pooled_tokens_are_those_of_the_maps(bias):
    torch.manual_seed(0)
    images = torch.randn(2, 3, 32, 48)
    options = dict(**SIZES, rel_pos_bias=bias, init_values=1.)
    mean, token, maps = (MAE(**options, out_type=out_type).eval() for out_type in
                         ('avg_featmap', 'cls_token', 'featmap'))
    for parameter in maps.parameters():
        parameter.normal_(std=.2)
    plain = MAE(**options, final_norm=False).eval()
    for model in (mean, token, plain):
        model.load_state_dict({name: tensor for name, tensor in maps.state_dict().items() if name[:2] != 'ln'},
                              strict=False)
    mean.fc_norm.weight.normal_()
    expected = mean.fc_norm(plain(images)[0].mean(dim=(2, 3)))
    torch.testing.assert_close(mean(images), (expected, ))
    assert mean(images)[0].shape == (2, 16)
    if not bias:
        encoded = token.encode(images, torch.arange(24).expand(2, -1))
        torch.testing.assert_close(token(images), (encoded[:, 0], ))


@pytest.mark.parametrize('options, says', [
    (dict(out_type='mean'), "out_type='mean' is not one of featmap, .*, cls_token, avg_featmap"),
    (dict(out_type='cls_token', out_indices=[1, 2]), 'works on the last layer only'),
    (dict(trainable_layers=.7), 'trainable_layers=0.7 is not one of 0, 0.5, 1, 2, ... 3'),
    (dict(trainable_layers=4), 'trainable_layers=4 is not one of'),
    (dict(trainable_layers=1, frozen_stages=0), 'give only one'),
    (dict(frozen_stages=4), 'frozen_stages=4 is not between -1 and 3')])
def test_poolings_and_depths_that_are_not_there(options, says):
    with pytest.raises(ValueError, match=says.replace('(', r'\(')):
        MAE(**SIZES, **options)


def runner_of(path, work_dir, **options):
    cfg = read_config(str(path), options, str(work_dir))
    fit_to_hardware(cfg, 'none')
    return build_runner(cfg)


def moved(path, work_dir, **options):
    """Names of all that a run changed in a model, and of those in the backbone."""
    runner = runner_of(path, work_dir, **{'train_cfg.max_epochs': 3, **options})
    before = {}
    start = type(runner).call_hook

    def call_hook(self, name, **kwargs):
        if name == 'before_train':
            before.update({key: value.clone() for key, value in self.model.state_dict().items()})
        start(self, name, **kwargs)

    runner.call_hook = call_hook.__get__(runner)
    runner.train()
    assert runner.iter >= 5
    return {key for key, value in runner.model.state_dict().items() if not torch.equal(value, before[key])}


def test_a_probe_leaves_the_encoder_alone(classify, tmp_path):
    assert moved(classify(PROBE, 'linear_probe'), tmp_path) == {
        'neck.bn.running_mean', 'neck.bn.running_var', 'neck.bn.num_batches_tracked', 'head.fc.weight', 'head.fc.bias'}


def test_half_a_layer_is_its_mlp_and_its_norm(classify, tmp_path):
    names = moved(classify(), tmp_path, **{'model.backbone.trainable_layers': .5})
    last = 'backbone.layers.2'
    assert names == {f'{last}.{part}.{kind}' for part in ('ln2', 'ffn.layers.0.0', 'ffn.layers.1')
                     for kind in ('weight', 'bias')} | {'head.fc.weight', 'head.fc.bias'}


@pytest.mark.parametrize('count', [0, 1, 3, None])
def test_the_last_layers_train(count):
    model = MAE(**SIZES, out_type='avg_featmap', drop_path_rate=.5, trainable_layers=count).train()
    trained = {name.split('.')[1] for name, parameter in model.named_parameters()
               if parameter.requires_grad and name.startswith('layers')}
    assert trained == {str(i) for i in range(3 - (3 if count is None else count), 3)}
    outside = [parameter.requires_grad for name, parameter in model.named_parameters() if name[:6] != 'layers']
    assert all(outside) if count is None else not any(outside)
    assert [layer.training for layer in model.layers] == [str(i) in trained for i in range(3)]


def predictions(folder):
    with open(folder / 'predictions.csv') as file:
        return list(csv.DictReader(file))


def test_accuracy_counts_each_image_once_however_it_is_read(classifier, classes, tmp_path):
    path, checkpoint = classifier
    runs = {'one': ('test_dataloader.batch_size=1', ), 'all': ('test_dataloader.batch_size=50', ),
            'workers': ('test_dataloader.num_workers=2', )}
    for name, options in runs.items():
        assert run_inside('tools/test.py', path, checkpoint, '--work-dir', tmp_path / name, '--out', tmp_path / name,
                          '--cfg-options', *options) == 0
    # Eleven images for two processes.
    run_in_two('tools/test.py', path, checkpoint, '--work-dir', tmp_path / 'two', '--out', tmp_path / 'two')
    expected = predictions(tmp_path / 'one')
    assert sorted(row['path'] for row in expected) == sorted(map(str, classes.glob('val/*/*.png')))
    right = sum(row['label'] == row['prediction'] for row in expected)
    for name in (*runs, 'two'):
        metrics = json.loads((tmp_path / name / 'metrics.json').read_text())['metrics']
        assert math.isclose(metrics['accuracy/top1'], 100 * right / 11, rel_tol=1e-6)
        for row, other in zip(expected, predictions(tmp_path / name), strict=True):
            assert (row['path'], row['label'], row['prediction']) == (other['path'], other['label'],
                                                                      other['prediction'])
            assert math.isclose(float(row['probability']), float(other['probability']), abs_tol=1e-5)


def test_official_fine_tuned_weights_are_tested_as_they_are(classify, tmp_path):
    """A file of facebookresearch/mae, whose training options are pickled beside the weights."""
    weights = official.mae_weights('fc_norm')
    torch.save({'model': weights, 'epoch': 99}, tmp_path / 'official.pth')
    path = classify('model = dict(data_preprocessor=dict(num_classes=7), backbone=dict(embed_dims=32, num_layers=2), '
                    'head=dict(num_classes=7, in_channels=32))')
    runner = runner_of(path, tmp_path, load_from=str(tmp_path / 'official.pth'))
    runner.load_or_resume()
    assert torch.equal(runner.model.head.fc.weight, weights['head.weight'])
    assert torch.equal(runner.model.backbone.fc_norm.bias, weights['fc_norm.bias'])


def test_what_does_not_fit_is_told(classify, classifier, classes, error_of, tmp_path):
    path, checkpoint = classifier

    def train(*options, config=path):
        return error_of('tools/train.py', config, '--work-dir', tmp_path / 'w', '--cfg-options', *options)

    assert 'model.head.num_classes=5, and the data has 3 classes (a, b, c); --cfg-options model.head.' in train(
        'model.head.num_classes=5')
    assert 'trainable_layers=9 is not one of' in train('model.backbone.trainable_layers=9')
    assert 'starts from a pre-trained encoder and names none: --cfg-options checkpoint=FILE' in train(
        'model.backbone.init_cfg.type=Pretrained', 'model.backbone.init_cfg.checkpoint=None')
    torch.save({'fc.weight': torch.ones(2, 2)}, tmp_path / 'other.pth')
    assert 'other.pth: weights of an unknown format' in train(
        'model.backbone.init_cfg.type=Pretrained', f'model.backbone.init_cfg.checkpoint={tmp_path}/other.pth')
    for folder in ('a', 'b', 'other'):
        (tmp_path / 'data/val' / folder).mkdir(parents=True)
        cv2.imwrite(str(tmp_path / 'data/val' / folder / '0.png'), np.zeros((32, 32, 3), np.uint8))
    said = error_of('tools/test.py', path, checkpoint, '--work-dir', tmp_path / 'w', '--cfg-options',
                    f'data_root={tmp_path}/data')
    assert 'test_dataloader has other classes than the checkpoint: other' in said
    (tmp_path / 'data/val/empty').mkdir()
    assert 'data/val: no images of class empty; add some, or remove the folder' in error_of(
        'tools/test.py', path, checkpoint, '--work-dir', tmp_path / 'w', '--cfg-options', f'data_root={tmp_path}/data')
    cv2.imwrite(str(tmp_path / 'data/val/empty/0.png'), np.zeros((32, 32, 3), np.uint8))
    said = error_of('tools/test.py', path, checkpoint, '--work-dir', tmp_path / 'w', '--cfg-options',
                    f'data_root={tmp_path}/data')
    assert 'num_classes=3, and the data has 4 classes (a, b, empty and 1 more)' in said
    assert '--eval is for segmentors' in error_of('tools/test.py', path, checkpoint, '--eval', 'mIoU')


def test_predictions_of_files_and_folders(classifier, classes, capsys, error_of, tmp_path):
    path, checkpoint = classifier
    out = tmp_path / 'out'
    one = classes / 'val/c/0.png'
    assert run_inside('tools/predict.py', path, checkpoint, one, classes / 'val', '--out', out, '--topk', 2) == 0
    images = json.loads((out / 'predictions.json').read_text())['images']
    assert len(images) == 12 and images[0]['path'] == str(one)
    for row in images:
        first, second = (entry['probability'] for entry in row['best'])
        assert 1 >= first >= second >= 0 and row['prediction'] == row['best'][0]['name'] and row['prediction'] in 'abc'
    assert cv2.imread(str(out / 'pictures/c/0.png')).shape[1] == 256 and (out / 'pictures/0.png').is_file()
    assert 'none: no such image or folder' in error_of('tools/predict.py', path, checkpoint, tmp_path / 'none')


def test_a_test_draws_its_classes(classifier, tmp_path):
    path, checkpoint = classifier
    assert run_inside('tools/test.py', path, checkpoint, '--work-dir', tmp_path, '--show-dir', tmp_path / 'show') == 0
    assert len(list((tmp_path / 'show').glob('?/*.png'))) == 11


def test_neighbours_are_asked_without_training(classifier, capsys, error_of):
    path, checkpoint = classifier
    capsys.readouterr()
    assert run_inside('tools/knn.py', path, checkpoint, 'untrained', '-k', 1, 5) == 0
    *_, titles, first, second = capsys.readouterr().out.splitlines()
    assert titles.split() == ['k=1', 'k=5', 'checkpoint']
    assert first.endswith(f'  {checkpoint}') and second.endswith('  untrained')
    assert all(0 <= float(figure) <= 100 for line in (first, second) for figure in line.split()[:2])
    assert '-k 13: there are 12 training images' in error_of('tools/knn.py', path, checkpoint, '-k', 13)
