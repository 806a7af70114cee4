"""Models in Python: ``mae_mm.load`` and what it gives; layers and attention of the backbone; missing weights."""
import re

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import mae_mm
from mae_mm import MAE, InputError
from mae_mm.apis.trained import in_scope_of, trained_model
from mae_mm.config import read_config
from mae_mm.evaluation.features import labelled_loader, mean_features

from .conftest import ROOT

SIZES = dict(arch=None, img_size=32, patch_size=8, embed_dims=16, num_layers=3, num_heads=2)
TINY = {key: value for key, value in SIZES.items() if key != 'arch'}
CONFIG = """
_base_ = '{root}/configs/{name}.py'
model = dict(backbone={sizes})
pipeline = [dict(type='LoadImageFromFile', _scope_='mae_mm'),
            dict(type='ResizeEdge', scale=36, edge='short', backend='pillow', interpolation='bicubic'),
            dict(type='CenterCrop', crop_size=32), dict(type='PackInputs')]
val_dataloader = dict(dataset=dict(pipeline=pipeline))
test_dataloader = val_dataloader
"""
HEAD = """model['head'] = dict(in_channels=16, num_classes=3)
model['data_preprocessor'] = dict(num_classes=3)
"""


@pytest.fixture(scope='module')
def models(tmp_path_factory):
    """A folder as the documentation has one: photos, and untrained checkpoints that hold their configs."""
    root = tmp_path_factory.mktemp('models')
    rng = np.random.default_rng(0)
    (root / 'photos' / 'inner').mkdir(parents=True)
    for name in ('photo.jpg', 'photos/a.png', 'photos/b.jpg', 'photos/inner/c.png'):
        cv2.imwrite(str(root / name), rng.integers(256, size=(40, 50, 3)).astype(np.uint8))
    for name, base, more, classes in (('pretrained', 'pretrain/mae_vit_folder', '', None),
                                      ('classifier', 'finetune/vit_folder', HEAD, ('cat', 'dog', 'owl'))):
        path = root / f'{name}.py'
        path.write_text(CONFIG.format(root=ROOT, name=base, sizes=SIZES) + more)
        cfg = read_config(str(path))
        text = cfg.pretty_text
        cfg.model.backbone.init_cfg = None
        torch.manual_seed(0)
        with in_scope_of(cfg):
            model = mae_mm.apis.trained.MODELS.build(cfg.model)
        for parameter in model.parameters():
            nn.init.normal_(parameter.data, std=.2)
        meta = dict(cfg=text, dataset_meta=dict(classes=classes) if classes else {})
        torch.save(dict(meta=meta, state_dict=model.state_dict()), root / f'{name}.pth')
    return root


@pytest.fixture(scope='module')
def encoder(models):
    return mae_mm.load(models / 'pretrained.pth', device='cpu')


@pytest.fixture(scope='module')
def classifier(models):
    return mae_mm.load(models / 'classifier.pth', device='cpu')


# predictions and features

@pytest.mark.parametrize('name', ['encoder', 'classifier'])
def test_pooled_features_are_those_of_the_tools(name, models, request):
    model = request.getfixturevalue(name)
    cfg = read_config(str(models / f'{dict(encoder="pretrained").get(name, name)}.py'))
    dataset = dict(type='mae_mm.ClassFolder', data_root=str(models / 'sorted'), split='val', held_out=.5,
                   pipeline=cfg.test_dataloader.dataset.pipeline)
    rng = np.random.default_rng(1)
    for folder in ('x', 'y'):
        (models / 'sorted' / 'val' / folder).mkdir(parents=True, exist_ok=True)
        (models / 'sorted' / 'train' / folder).mkdir(parents=True, exist_ok=True)
        for i in range(4):
            for split in ('train', 'val'):
                cv2.imwrite(str(models / 'sorted' / split / folder / f'{i}.png'),
                            rng.integers(256, size=(40 + i, 50, 3)).astype(np.uint8))
    other, _ = trained_model(cfg, torch.load(models / f'{dict(encoder="pretrained").get(name, name)}.pth'), 'x')
    with in_scope_of(cfg):
        expected, _ = mean_features(other, labelled_loader(dataset))
    assert torch.equal(model.features(models / 'sorted' / 'val', as_numpy=False), expected)
    one_by_one = model.features(models / 'sorted' / 'val', batch_size=1, as_numpy=False)
    torch.testing.assert_close(one_by_one, expected)


def test_every_kind_of_input_is_the_same_image(classifier, models, capsys):
    path = models / 'photos' / 'a.png'
    image = Image.open(path)
    array = np.asarray(image)
    tensor = torch.from_numpy(array.copy()).permute(2, 0, 1)
    turned = image.transpose(Image.Transpose.ROTATE_90)
    turned.getexif()[0x0112] = 6  # shown turned by 90 degrees to the right
    expected = classifier.predict(str(path))[0]
    assert expected.path == str(path) and expected.name == classifier.classes[expected.label] in ('cat', 'dog', 'owl')
    assert expected.scores.sum() == pytest.approx(1) and expected.score == expected.scores.max()
    for given in (path, [path], image, turned, image.convert('RGBA'), array, array[None], tensor, tensor[None].float(),
                  [image, ], (array, )):
        results = classifier.predict(given, progress=False)
        assert len(results) == 1 and np.array_equal(results[0].scores, expected.scores)
    results = classifier.predict([models / 'photos', image, 2 * [array]])
    assert [result.path for result in results] == [
        *(str(models / 'photos' / name) for name in ('a.png', 'b.jpg', 'inner/c.png')), None, None, None]
    assert '[' in capsys.readouterr().err  # a progress bar


def test_grey_images_are_rgb_of_one_value(classifier):
    grey = np.random.default_rng(0).integers(256, size=(40, 50)).astype(np.uint8)
    expected = classifier.predict(np.dstack([grey] * 3))[0].scores
    for given in (grey, grey[..., None], Image.fromarray(grey), torch.from_numpy(grey)[None]):
        assert np.array_equal(classifier.predict(given)[0].scores, expected)


def test_images_of_several_sizes_go_through_in_order(trained):
    model = mae_mm.load(trained[0] / 'iter_6.pth', device='cpu')
    rng = np.random.default_rng(0)
    images = [rng.integers(256, size=(side, 32, 3)).astype(np.uint8) for side in (32, 40, 32, 40)]
    alone = [model.predict(image)[0] for image in images]
    for result, expected, image in zip(model.predict(images, probabilities=True), alone, images, strict=True):
        assert result.label_map.shape == image.shape[:2] and expected.probabilities is None
        assert (result.label_map == expected.label_map).mean() > .99
        assert np.array_equal(result.probabilities.argmax(0), result.label_map)
        np.testing.assert_allclose(result.probabilities.sum(0), 1, atol=1e-5)
    maps = model.features(images, kind='maps')
    assert [part.shape for part in maps] == [(16, 4, 4), (16, 5, 4)] * 2
    assert model.features(images).shape == (4, 16)


def test_features_of_layers(encoder, models):
    photos = models / 'photos'
    first, last = encoder.features(photos, [0, -1], kind='maps')
    assert first.shape == last.shape == (3, 16, 4, 4)
    own, encoder.model.backbone.out_indices = encoder.model.backbone.out_indices, [0, 2]
    try:
        seen = []
        for path in sorted(photos.rglob('*.*')):
            inputs = encoder.pipeline(dict(img_path=str(path), sample_idx=0))['inputs']
            with torch.no_grad():
                seen.append(encoder.model.backbone(encoder.model.data_preprocessor(
                    dict(inputs=inputs[None], data_samples=None))['inputs'])[1])
    finally:
        encoder.model.backbone.out_indices = own
    torch.testing.assert_close(torch.as_tensor(last), torch.cat(seen))
    torch.testing.assert_close(torch.as_tensor(encoder.features(photos)), torch.as_tensor(last).mean(dim=(2, 3)))
    token, tokens = (encoder.features(photos, kind=kind) for kind in ('cls_token', 'tokens'))
    assert torch.equal(tokens[:, 0], token) and token.shape == (3, 16)
    torch.testing.assert_close(tokens[:, 1:], last.flatten(2).transpose(1, 2))
    assert isinstance(encoder.features(photos, as_numpy=True), np.ndarray)
    assert isinstance(encoder.features(photos, as_numpy=False), torch.Tensor)


def test_attention_of_images(encoder, models):
    maps = encoder.attention(models / 'photos')
    assert len(maps) == 3 and maps[0].shape == (2, 17, 17)
    torch.testing.assert_close(torch.as_tensor(maps[0]).sum(-1), torch.ones(2, 17))


def test_reconstructions(encoder, models):
    done = encoder.reconstruct(models / 'photos', seed=3)
    again, other = encoder.reconstruct(models / 'photos', seed=3), encoder.reconstruct(models / 'photos', seed=4)
    for result, same, different in zip(done, again, other, strict=True):
        assert result.image.shape == result.reconstruction.shape == (32, 32, 3) and result.mask.shape == (4, 4)
        assert result.mask.sum() == 12 and np.array_equal(result.mask, same.mask)
        assert np.array_equal(result.reconstruction, same.reconstruction)
        assert not np.array_equal(result.mask, different.mask)
        hidden = result.mask.repeat(8, 0).repeat(8, 1)
        assert np.array_equal(result.reconstruction[~hidden], result.image[~hidden])
        assert not np.array_equal(result.reconstruction[hidden], result.image[hidden])
    assert encoder.reconstruct(models / 'photo.jpg', mask_ratio=.5)[0].mask.sum() == 8
    assert encoder.model.mask_ratio == .75


def test_mixed_precision_is_near(classifier, models):
    other = mae_mm.load(models / 'classifier.pth', dtype=torch.bfloat16, device='cpu')
    one, two = (model.predict(models / 'photo.jpg')[0].scores for model in (classifier, other))
    assert not np.array_equal(one, two)
    np.testing.assert_allclose(one, two, atol=.05)


def test_an_encoder_of_another_project_has_features(encoder, models, tmp_path):
    weights = {name.removeprefix('backbone.'): tensor for name, tensor in encoder.model.state_dict().items()
               if name.startswith('backbone.')}
    torch.save(mae_mm.checkpoint.export(weights, 'timm')[0], tmp_path / 'encoder.pth')
    (models / 'open.py').write_text(f"_base_ = '{models}/classifier.py'\nmodel = dict(head=dict(num_classes=None))\n"
                                    "test_dataloader = dict(dataset=dict(metainfo=None))\n")
    for name in ('pretrained', 'classifier', 'open'):
        model = mae_mm.load(models / f'{name}.py', tmp_path / 'encoder.pth', device='cpu')
        assert model.features(models / 'photos').shape == (3, 16)
        if name == 'pretrained':
            assert torch.equal(torch.as_tensor(model.features(models / 'photos')),
                               torch.as_tensor(encoder.features(models / 'photos')))
            with pytest.raises(InputError, match='no decoder'):
                model.reconstruct(models / 'photos')
        else:
            with pytest.raises(InputError, match='holds no head: it has features, and predicts no classes'):
                model.predict(models / 'photos')


@pytest.mark.parametrize('given, says', [
    ([], 'there are no images'), ('photoss', 'photoss: no such image or folder'), (3, 'int: an image is a path'),
    (np.zeros((8, 8, 5), np.uint8), '5 channels, and the model is for RGB'),
    (np.full((40, 40, 3), .5), r'values of 0.5 to 0.5, and RGB is 0 to 255 \(of 0 to 1: multiply by 255\)'),
    (torch.full((3, 40, 40), -1.), 'and RGB is 0 to 255'), (torch.zeros(40, 40), r'a tensor of shape \(40, 40\)'),
    (np.array(['x']), r'an array of shape \(1,\)'), (np.zeros((0, 4, 3)), r'an array of shape \(0, 4, 3\)')],
    ids=str)
def test_what_is_no_image_is_told(classifier, given, says):
    with pytest.raises(InputError, match=says):
        classifier.predict(given)


def test_what_a_model_cannot_do_is_told(classifier, encoder, models, tmp_path):
    photo = models / 'photo.jpg'
    for call, says in (
            (lambda: encoder.predict(photo), 'is neither a classifier nor a segmentor'),
            (lambda: classifier.reconstruct(photo), 'has no decoder'),
            (lambda: classifier.features(photo, 3), 'has layer 3, the backbone has 3 layers'),
            (lambda: classifier.features(photo, []), 'several are a list'),
            (lambda: classifier.features(photo, kind='mean'), "kind='mean' is none of pooled, "),
            (lambda: classifier.attention(photo, 7), 'has layer 7'),
            (lambda: classifier.predict(photo, batch_size=0), 'batch_size=0'),
            (lambda: encoder.reconstruct(photo, mask_ratio=1.), 'mask_ratio=1.0 leaves 0'),
            (lambda: mae_mm.load(models / 'classifier.pth', device='gpu7'), "device='gpu7' cannot be used here"),
            (lambda: mae_mm.load(models / 'classifier.pth', dtype='int8'), "dtype='int8' is none of"),
            (lambda: mae_mm.load(models / 'classifier.pth', cfg_options=dict(a=1)), 'settings are of a config'),
            (lambda: mae_mm.load('finetune/vit_folder'), 'vit_folder is a config; give a checkpoint after it'),
            (lambda: mae_mm.load(models / 'classifier.py'), 'classifier.py is a config'),
            (lambda: mae_mm.load('none.pth'), 'none.pth: no such checkpoint'),
            (lambda: mae_mm.load(models / 'classifier.py', models / 'none.pth'), 'none.pth: no such checkpoint'),
            (lambda: mae_mm.load(models / 'none.py', models / 'classifier.pth'), 'none.py: no such config')):
        with pytest.raises(InputError, match=re.escape(says)) as told:
            call()
        assert '\n' not in str(told.value)


# weights that are asked for

def test_weights_that_are_asked_for_are_loaded_or_missed(models, tmp_path, caplog):
    source = str(models / 'pretrained.pth')
    model = MAE(**TINY, init_cfg=dict(type='Pretrained', checkpoint=source)).eval()
    images = torch.randn(1, 3, 32, 32)
    said = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr('mae_mm.models.grid.print_log', lambda message, **_: said.append(message))
        random = model(images)[-1]
        model(images)
        assert len(said) == 1 and 'computes with random weights' in said[0] and source in said[0]
        model.init_weights()
        loaded = model(images)[-1]
        assert not torch.equal(random, loaded)
        other = MAE(**TINY, init_cfg=dict(type='Pretrained', checkpoint=source)).eval()
        other.load_state_dict(model.state_dict())
        assert torch.equal(other(images)[-1], loaded) and len(said) == 1


@pytest.mark.parametrize('kind', ['backbone', 'pretrainer'])
def test_weights_of_other_names_are_not_loaded_in_silence(models, encoder, kind):
    model = MAE(**TINY) if kind == 'backbone' else encoder.model
    whole = torch.load(models / 'pretrained.pth')
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    for state in (whole, dict(model=whole['state_dict']),
                  {f'other.{name}': tensor for name, tensor in whole['state_dict'].items()}):
        with pytest.raises(InputError, match='load_state_dict'):
            model.load_state_dict(state, strict=False)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    model.load_state_dict({}, strict=False)
    model.load_state_dict({'pos_embed' if kind == 'backbone' else 'backbone.pos_embed': torch.zeros(1, 17, 16)},
                          strict=False)
    model.load_state_dict(before)


# the documentation

def test_the_snippets_of_the_documentation_run(models, trained, scenes, config, monkeypatch, tmp_path):
    text = (ROOT / 'docs' / 'python.md').read_text()
    snippets = re.findall(r'```python\n(.*?)```', text, flags=re.DOTALL)
    assert len(snippets) > 8
    for name in ('photos', 'photo.jpg', 'pretrained.pth', 'classifier.pth', 'classifier.py'):
        (tmp_path / name).symlink_to(models / name)
    (tmp_path / 'segmentor.pth').symlink_to(trained[0] / 'iter_6.pth')
    (tmp_path / 'segmentor.py').write_text(f"_base_ = '{config}'\n")
    (tmp_path / 'scene.jpg').write_bytes((scenes / 'images' / 'validation' / '0.jpg').read_bytes())
    (tmp_path / 'classifier.yml').write_text(re.search(r'```yaml\n(.*?)```', text, flags=re.DOTALL)[1])
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    for snippet in snippets:
        exec(compile(snippet, f'docs/python.md: {snippet[:60]!r}', 'exec'), names)
