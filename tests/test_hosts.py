"""The functions that mmseg and mmpretrain have for users, with configs and checkpoints of ours: the same results."""
import cv2
import matplotlib
import mmpretrain
import numpy as np
import pytest
import torch
from mmengine.registry import DefaultScope
from mmpretrain.apis import FeatureExtractor, ImageClassificationInferencer, ModelHub
from mmseg.apis import MMSegInferencer, inference_model, init_model, show_result_pyplot

import mae_mm
from mae_mm.config import read_config

from .conftest import ROOT

matplotlib.use('Agg')
TEST = ('test_pipeline = [dict(type="LoadImageFromFile", _scope_="mae_mm"), dict(type="ResizeEdge", scale=36, '
        'backend="pillow"), dict(type="CenterCrop", crop_size=32), dict(type="PackInputs")]\n')
CLASSIFIER = """
_base_ = '{root}/configs/finetune/vit_folder.py'
""" + TEST + """
model = dict(data_preprocessor=dict(num_classes=3), head=dict(in_channels=16, num_classes=3),
             backbone=dict(arch=None, img_size=32, patch_size=8, embed_dims=16, num_layers=3, num_heads=2))
dataset = dict(pipeline=test_pipeline, metainfo=dict(classes=('a', 'b', 'c')))
val_dataloader = dict(dataset=dataset)
test_dataloader = val_dataloader
"""


@pytest.fixture(scope='module')
def segmentor(trained, config):
    """``(config, checkpoint)`` of a run, and our own predictions."""
    checkpoint = trained[0] / 'iter_6.pth'
    return str(config), str(checkpoint), mae_mm.load(str(checkpoint), device='cpu')


@pytest.fixture(scope='module')
def photos(scenes):
    return sorted(map(str, (scenes / 'images/validation').iterdir()))


@pytest.fixture(scope='module')
def classifier(tmp_path_factory):
    folder = tmp_path_factory.mktemp('classifier')
    path = folder / 'classify.py'
    path.write_text(CLASSIFIER.format(root=ROOT))
    cfg = read_config(str(path))
    cfg.model.backbone.init_cfg = None
    with mmpretrain.registry.MODELS.switch_scope_and_registry('mmpretrain'):
        torch.manual_seed(0)
        model = mmpretrain.registry.MODELS.build(cfg.model)
    model.init_weights()
    model.head.fc.weight.data.normal_()
    torch.save(dict(state_dict=model.state_dict(), meta=dict(
        cfg=cfg.pretty_text, dataset_meta=dict(classes=('a', 'b', 'c')))), folder / 'classifier.pth')
    return str(path), str(folder / 'classifier.pth'), mae_mm.load(str(folder / 'classifier.pth'), device='cpu')


def test_init_model_and_inference_model(segmentor, photos):
    config, checkpoint, ours = segmentor
    model = init_model(config, checkpoint, device='cpu')
    expected = [result.label_map for result in ours.predict(photos, batch_size=1)]
    assert len({label for labels in expected for label in np.unique(labels)}) > 1
    for image in (photos[0], cv2.imread(photos[0])):
        assert np.array_equal(inference_model(model, image).pred_sem_seg.data[0], expected[0])
    for found, labels in zip(inference_model(model, photos), expected, strict=True):
        assert np.array_equal(found.pred_sem_seg.data[0], labels)


def test_show_result_pyplot(segmentor, photos, tmp_path):
    config, checkpoint, _ = segmentor
    model = init_model(config, checkpoint, device='cpu')
    result = inference_model(model, photos[0])
    shown = show_result_pyplot(model, photos[0], result, show=False, out_file=str(tmp_path / 'shown.png'))
    assert shown.shape == (32, 32, 3) and (tmp_path / 'shown.png').is_file()
    assert not np.array_equal(shown, cv2.imread(photos[0])[..., ::-1])


@pytest.mark.parametrize('given', ['paths', 'arrays', 'folder'])
def test_segmentation_inferencer(segmentor, photos, given, tmp_path):
    config, checkpoint, ours = segmentor
    inferencer = MMSegInferencer(model=config, weights=checkpoint, device='cpu')
    images = dict(paths=photos, arrays=[cv2.imread(path) for path in photos],
                  folder=str(photos[0].rsplit('/', 1)[0]))[given]
    done = inferencer(images, out_dir=str(tmp_path), show=False)
    found = sorted(np.asarray(labels).tobytes() for labels in done['predictions'])
    expected = [result.label_map.astype(done['predictions'][0].dtype) for result in ours.predict(photos, batch_size=1)]
    assert found == sorted(labels.tobytes() for labels in expected)
    assert len(list((tmp_path / 'vis').iterdir())) == len(photos)


@pytest.fixture
def in_mmpretrain():
    """mmpretrain builds pipelines by the scope of the process, which mmseg's init_model sets and leaves."""
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        yield


def test_get_model_and_inference_model(classifier, photos, in_mmpretrain, tmp_path):
    path, checkpoint, ours = classifier
    index = tmp_path / 'index.yml'
    index.write_text(f'Models: [{{Name: a-classifier, Config: {path}, Results: [{{Task: Image Classification, '
                     'Dataset: mine, Metrics: {}}]}]')
    ModelHub.register_model_index(index)
    model = mmpretrain.get_model('a-classifier', pretrained=checkpoint, device='cpu')
    for image, expected in zip(photos, ours.predict(photos, batch_size=1), strict=True):
        for given in (image, cv2.imread(image)):
            found = mmpretrain.inference_model(model, given)
            assert found['pred_label'] == expected.label and found['pred_class'] == expected.name
            assert np.array_equal(found['pred_scores'], expected.scores)


def test_classification_inferencer(classifier, photos, in_mmpretrain):
    path, checkpoint, ours = classifier
    inferencer = ImageClassificationInferencer(path, pretrained=checkpoint, device='cpu')
    expected = ours.predict(photos, batch_size=4)
    assert len({result.label for result in expected}) > 1 or len({result.score for result in expected}) > 1
    for images in (photos, [cv2.imread(path) for path in photos]):
        for found, result in zip(inferencer(images, batch_size=4), expected, strict=True):
            assert found['pred_class'] == result.name and np.array_equal(found['pred_scores'], result.scores)


def test_feature_extractor(classifier, photos, in_mmpretrain):
    path, checkpoint, ours = classifier
    extractor = FeatureExtractor(path, pretrained=checkpoint, device='cpu')
    expected = ours.features(photos, batch_size=1)
    for images in (photos, [cv2.imread(path) for path in photos]):
        found = torch.stack([features[-1] for features in extractor(images, batch_size=1)])
        assert torch.equal(found, torch.as_tensor(expected))
