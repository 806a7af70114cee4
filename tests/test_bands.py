"""Models of any bands: settings, every tool, starting from RGB weights, pictures, export."""
import cv2
import numpy as np
import pytest
import tifffile
import torch
from mmengine.registry import MODELS, init_default_scope

from mae_mm import MAE, MAEDecoder, MaskedAutoencoder
from mae_mm.apis.exporting import Exportable, export_model
from mae_mm.apis.models import load
from mae_mm.checkpoint.bands import take_bands
from mae_mm.config import read_config
from mae_mm.config.bands import LOADERS
from mae_mm.datasets.reading import read_bands
from mae_mm.errors import InputError
from mae_mm.visualization import read_rgb
from mae_mm.visualization.reconstruction import to_bytes

from . import own_data
from .conftest import ROOT, run_inside
from .test_reading import RGB, STACKED, save
from .test_statistics import stats

SIZES = dict(img_size=32, patch_size=8, embed_dims=16, num_layers=2, num_heads=2)
HEAD = 'model["head"] = dict(in_channels=16)\n'


def pretrainer(bands):
    return MaskedAutoencoder(MAE(**SIZES, in_channels=bands), MAEDecoder(embed_dims=16, num_layers=1, num_heads=2))


@torch.no_grad()
def test_bands_of_a_checkpoint_by_a_rule():
    source, model = pretrainer(3), pretrainer(5)
    weights = take_bands(source.state_dict(), [2, 1, 0, None, None], 5)
    model.load_state_dict(weights)
    images = torch.randn(2, 5, 32, 32)
    images[:, 3:] = 0  # the new bands are at their mean
    torch.testing.assert_close(model.backbone(images), source.backbone(images[:, [2, 1, 0]]))
    before, after = (part.backbone.patch_embed.projection.weight for part in (source, model))
    assert torch.equal(after[:, :3], before[:, [2, 1, 0]])
    torch.testing.assert_close(after[:, 4], before.mean(dim=1))
    latent, order = torch.randn(2, 5, 16), torch.arange(16).expand(2, -1)
    pixels = [part.decoder(latent, order, (4, 4), slice(1, None)).unflatten(2, (64, -1)) for part in (source, model)]
    torch.testing.assert_close(pixels[1][..., :3], pixels[0][..., [2, 1, 0]])
    torch.testing.assert_close(pixels[1][..., 3], pixels[0].mean(dim=-1))
    one = take_bands(source.state_dict(), [None], 1)
    assert one['decoder.pred.bias'].shape == (64, ) and one['backbone.patch_embed.projection.weight'].shape[1] == 1
    same = take_bands(source.state_dict(), [0, 1, 2], 3)
    assert all(torch.equal(same[name], tensor) for name, tensor in source.state_dict().items())


@pytest.mark.parametrize('rule, number, says', [
    (None, 5, r'weights for images of 3 bands, and the model is for 5; .* --cfg-options bands=0,1,2,None,None'),
    ([0, 1, 2], 5, r'bands=\[0, 1, 2\] has 3 entries, and the images 5 bands'),
    ([0, 1, 3, None, None], 5, '3 is not a band of the checkpoint, which has 0 to 2'),
    ([0, -1, None, None, None], 5, '-1 is not a band of the checkpoint'),
    ([0, 1., None, None, None], 5, '1.0 is not a band of the checkpoint')])
def test_rules_that_do_not_fit(rule, number, says):
    with pytest.raises(InputError, match=says):
        take_bands(pretrainer(3).state_dict(), rule, number)


def test_a_model_for_rgb_says_what_five_bands_need():
    with pytest.raises(InputError, match='of 5 bands, and the model is for 3; .* --cfg-options statistics=FILE'):
        take_bands(pretrainer(5).state_dict(), None, 3)


def of_bands(number, **more):
    return dict(mean=[100. + i for i in range(number)], std=[50.] * number, **more)


def test_settings_of_bands_are_put_everywhere():
    cfg = read_config('finetune/vit_folder', dict(statistics=of_bands(5, nodata=-1), checkpoint='a.pth',
                                                  bands=[0, 1, 2, None, None], picture_bands=[4, 0, 1]))
    assert cfg.model.backbone.in_channels == 5 and cfg.model.backbone.init_cfg.bands == [0, 1, 2, None, None]
    assert cfg.model.data_preprocessor.mean == of_bands(5)['mean'] and 'to_rgb' not in cfg.model.data_preprocessor
    for name in ('train', 'val', 'test'):
        steps = cfg[f'{name}_dataloader'].dataset.pipeline
        load = next(step for step in steps if step.type in LOADERS)
        assert (load.bands, load.nodata, load.fill) == (5, -1, of_bands(5)['mean'])
        assert not any(step.get('backend') == 'pillow' or step.type in ('RandAugment', 'RandomErasing')
                       for step in steps)
    for name in ('mae/upernet_folder', 'mae/upernet_mae-base_fp16_8x2_512x512_160k_ade20k'):
        text = read_config(name, dict(statistics=of_bands(5))).pretty_text
        assert 'PhotoMetricDistortion' not in text and text.count('bands=5') >= 3
    plain = read_config('finetune/vit_folder')
    assert plain.picture_bands is None and 'in_channels' not in plain.model.backbone
    assert read_config('pretrain/mae_vit_folder', dict(statistics=of_bands(1))).picture_bands == [0]


@pytest.mark.parametrize('options, says', [
    (dict(statistics='none.json'), 'none.json is not a file of statistics'),
    (dict(statistics=dict(mean=[1.])), 'no "mean" and "std" of bands'),
    (dict(statistics=dict(mean=[1.], std=[0.])), 'std above 0'),
    (dict(statistics=dict(mean=[1., 2.], std=[1.])), 'a number for each'),
    (dict(statistics=of_bands(2, nodata='none')), "nodata='none' is neither a number nor 'nan'"),
    (dict(statistics=of_bands(2), picture_bands=[0, 1, 2]), 'one or three numbers from 0 to 1'),
    (dict(picture_bands=[0, 1, 2]), 'is for images with statistics'),
    (dict(bands=[0, 1, 2]), 'there is none; add checkpoint=FILE'),
    (dict(statistic='x'), "is it 'statistics'?")])
def test_settings_that_do_not_fit(options, says):
    with pytest.raises(InputError) as told:
        read_config('pretrain/mae_vit_folder', options)
    assert says in str(told.value)


@pytest.fixture(scope='module')
def folders(tmp_path_factory):
    """Class folders of five bands, and of one band of 16 bits, with their statistics."""
    root = tmp_path_factory.mktemp('bands')
    own_data.class_folders(root / '5', count=4, side_px=40, multispectral=True)
    for path in (root / '5').rglob('*.tif'):
        target = root / '1' / path.parent.name / f'{path.stem}.png'
        target.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(target), tifffile.imread(path)[..., 3])
    for number in '51':
        assert stats(root / number, '--out', root / f'{number}.json') == 0
    return root


def config_of(root, number, tmp_path, name, more=''):
    """A folder config with a small encoder."""
    path = tmp_path / f'{name.split("/")[0]}.py'
    encoder = f'dict(arch=None, {", ".join(f"{key}={value}" for key, value in SIZES.items())})'
    path.write_text(f"_base_ = '{ROOT}/configs/{name}.py'\nimg_size = 32\n"
                    f"data_root = '{root / number}'\nstatistics = '{root / f'{number}.json'}'\n"
                    f"model = dict(backbone={encoder})\n{more}" + ''.join(
                        f'{split}_dataloader = dict(num_workers=0, persistent_workers=False)\n'
                        for split in ('train', 'val')) + 'test_dataloader = val_dataloader\n')
    return path


@pytest.mark.parametrize('number', ['5', '1'])
def test_every_tool_takes_any_bands(folders, tmp_path, number, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    options = ('--cfg-options', f'data_root={folders / number}', 'img_size=32', 'max_epochs=1', 'batch_size=4')
    pretrain = config_of(folders, number, tmp_path, 'pretrain/mae_vit_folder')
    assert run_inside('tools/train.py', pretrain, '--work-dir', 'pretrain', *options) == 0
    start = 'pretrain/epoch_1.pth'
    assert run_inside('tools/test.py', pretrain, start, '--show-dir', 'show', *options[:3]) == 0
    assert len(list((tmp_path / 'show').iterdir())) == 1
    coffee = folders / number / 'coffee'
    height, width = read_bands(str(sorted(coffee.iterdir())[0])).shape[:2]
    cv2.imwrite('mask.png', np.repeat(np.uint8([[255, 0]]), width // 2, axis=1).repeat(height, axis=0))
    for mask in ('grid', 'mask.png'):
        assert run_inside('reconstruct', start, coffee, '--bands', int(number) - 1, '--mask', mask) == 0
    result, *_ = load(start).reconstruct(coffee, mask='mask.png')
    assert result.mask[:, :2].all() and not result.mask[:, 2:].any()
    for command in ('attention', 'pca'):
        assert run_inside(command, start, coffee) == 0
    tune = config_of(folders, number, tmp_path, 'finetune/vit_folder', HEAD)
    assert run_inside('tools/train.py', tune, '--work-dir', 'tune', *options, f'checkpoint={start}') == 0
    tuned = 'tune/epoch_1.pth'
    assert run_inside('tools/test.py', tune, tuned, '--work-dir', 'test', '--out', 'test', '--show-dir', 'test',
                      *options[:3]) == 0
    classes = [*options[:3], 'num_classes=3', "test_dataloader.dataset.metainfo.classes=['a','b','c']"]
    assert run_inside('tools/predict.py', tune, tuned, folders / number / 'coffee', '--out', 'drawn', *classes) == 0
    assert len(list((tmp_path / 'drawn' / 'pictures').glob('*.png'))) == 4
    knn = config_of(folders, number, tmp_path, 'knn/vit_knn_folder', HEAD)
    assert run_inside('tools/knn.py', knn, start, '-k', 1, *options[:3]) == 0
    assert run_inside('tools/probe.py', knn, start, *options[:3]) == 0
    capsys.readouterr()
    assert run_inside('tools/inspect_checkpoint.py', start) == 0
    assert f'patch 8, {number} channels' in capsys.readouterr().out
    assert run_inside('tools/model_converters/beit2mmseg.py', start, 'encoder.pth') == 0
    (folders / f'{number}.json').rename(tmp_path / 'away.json')  # the run's own config holds the statistics
    try:
        assert run_inside('tools/test.py', 'tune/finetune.py', tuned, '--work-dir', 'again') == 0
    finally:
        (tmp_path / 'away.json').rename(folders / f'{number}.json')


def test_starting_from_rgb_is_reported(folders, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save(dict(state_dict=pretrainer(3).state_dict()), 'rgb.pth')
    tune = config_of(folders, '5', tmp_path, 'finetune/vit_folder', HEAD)
    options = ('--work-dir', 'w', '--cfg-options', f'data_root={folders / "5"}', 'img_size=32', 'max_epochs=1')
    assert run_inside('tools/train.py', tune, *options, 'checkpoint=rgb.pth', 'bands=2,1,0,None,None') == 0
    assert 'bands 0 from 2, 1 from 1, 2 from 0, 3 and 4 new, from the mean of all' in capsys.readouterr().out
    pretrain = config_of(folders, '5', tmp_path, 'pretrain/mae_vit_folder',
                         "model['decoder'] = dict(embed_dims=16, num_layers=1, num_heads=2)\n")
    assert run_inside('tools/train.py', pretrain, '--overwrite', *options, 'load_from=rgb.pth',
                      'bands=2,1,0,None,None') == 0
    assert '0 newly initialised; 0 ignored; bands 0 from 2' in capsys.readouterr().out


def test_bands_that_do_not_fit_are_told_before_a_run(folders, tmp_path, error_of):
    options = ('--work-dir', tmp_path / 'w', '--cfg-options', 'max_epochs=1')

    def train(data, *more):
        return error_of('tools/train.py', 'pretrain/mae_vit_folder', *options, f'data_root={data}', *more)

    assert '5 bands of uint16. Images other than 8-bit grey or RGB need statistics' in train(folders / '5')
    assert '1 band of uint16, and the statistics are of 5; all images need the same' in train(
        folders / '1', f'statistics={folders / "5.json"}')
    assert not (tmp_path / 'w').exists()


def test_a_segmentor_of_five_bands(config, scenes, tmp_path, capsys):
    rng = np.random.default_rng(2)
    for split, count in (('training', 8), ('validation', 2)):
        for kind in ('images', 'annotations'):
            (tmp_path / kind / split).mkdir(parents=True)
        for i in range(count):
            label = rng.integers(11, size=(32, 32)).astype(np.uint8)
            image = rng.normal(size=(32, 32, 5)).astype(np.float32) + label[..., None]
            tifffile.imwrite(tmp_path / 'images' / split / f'{i}.tif', image, **STACKED)
            cv2.imwrite(str(tmp_path / 'annotations' / split / f'{i}.png'), label)
    assert stats(tmp_path / 'images', '--out', tmp_path / 'stats.json') == 0
    path = tmp_path / 'segment.py'
    data = "dict(img_suffix='.tif', data_root=data_root)"
    path.write_text(f"_base_ = '{config}'\ndata_root = '{tmp_path}'\nstatistics = '{tmp_path}/stats.json'\n"
                    f"train_dataloader = dict(dataset={data})\nval_dataloader = dict(dataset={data})\n"
                    "test_dataloader = val_dataloader\n")
    work_dir = tmp_path / 'w'
    assert run_inside('tools/train.py', path, '--work-dir', work_dir) == 0
    trained = work_dir / 'iter_6.pth'
    assert run_inside('tools/test.py', path, trained, '--work-dir', work_dir, '--show-dir', work_dir) == 0
    assert run_inside('tools/predict.py', path, trained, tmp_path / 'images/validation', '--out',
                      tmp_path / 'drawn') == 0
    assert cv2.imread(str(tmp_path / 'drawn/labels/0.png'), cv2.IMREAD_UNCHANGED).shape[:2] == (32, 32)
    assert cv2.imread(str(tmp_path / 'drawn/pictures/0.png')) is not None
    assert run_inside('tools/export_onnx.py', path, trained, tmp_path / 'x.pt2') == 0


def test_statistics_other_than_those_of_the_encoder_are_told(tmp_path, capsys):
    cfg = read_config('pretrain/mae_vit_folder', dict(statistics=of_bands(5)))
    path = str(tmp_path / 'x.pth')
    torch.save(dict(state_dict=pretrainer(5).state_dict(), meta=dict(cfg=cfg.pretty_text)), path)
    said = []
    for factor in (1, 2):
        other = {key: [factor * value for value in of_bands(5)[key]] for key in ('mean', 'std')}
        read_config('pretrain/mae_vit_folder', dict(statistics=other, load_from=path))
        said.append(f'The statistics are not those of {path}' in ''.join(capsys.readouterr()))
    assert said == [False, True]


@pytest.mark.parametrize('number', [1, 3, 5])
def test_a_file_of_onnx_takes_bands_as_they_are_stored(number, tmp_path):
    import onnxruntime
    cfg = read_config('pretrain/mae_vit_folder', dict(statistics=of_bands(number)))
    init_default_scope(cfg.default_scope)
    cfg.model.backbone.update(arch=None, **SIZES)
    model = MODELS.build(cfg.model)
    model.init_weights()
    path = str(tmp_path / 'x.onnx')
    export_model(Exportable(model), path)
    pixels = np.random.default_rng(0).normal(100, 50, (2, number, 32, 32)).astype(np.float32)
    found = onnxruntime.InferenceSession(path).run(None, dict(images=pixels))[0]
    batch = model.data_preprocessor(dict(inputs=torch.from_numpy(pixels), data_samples=None), False)
    with torch.no_grad():
        expected = model.backbone(batch['inputs'])[-1]
    assert expected.std() > .1
    torch.testing.assert_close(torch.from_numpy(found), expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize('nodata', [-9999., 'nan'])
def test_a_file_of_onnx_leaves_out_what_has_no_data(nodata, tmp_path):
    import onnxruntime
    statistics = dict(of_bands(3), nodata=nodata)
    cfg = read_config('pretrain/mae_vit_folder', dict(statistics=statistics))
    init_default_scope(cfg.default_scope)
    cfg.model.backbone.update(arch=None, **SIZES)
    model = MODELS.build(cfg.model)
    model.init_weights()
    path = str(tmp_path / 'x.onnx')
    export_model(Exportable(model, nodata), path)
    pixels = np.random.default_rng(0).normal(100, 50, (1, 3, 32, 32)).astype(np.float32)
    filled = pixels.copy()
    pixels[0, 1, :9, 3:20] = float(nodata)
    filled[0, 1, :9, 3:20] = statistics['mean'][1]
    session = onnxruntime.InferenceSession(path)
    found, expected = (session.run(None, dict(images=images))[0] for images in (pixels, filled))
    assert np.isfinite(found).all() and np.abs(found - expected).max() < 1e-5


def test_pictures_show_the_bands_that_are_asked_for(tmp_path):
    ramp = np.broadcast_to(np.linspace(1000, 3000, 101)[None], (4, 101))
    image = np.stack([np.zeros_like(ramp), ramp, 3 * ramp[:, ::-1], ramp**2], axis=-1)
    path = save(tmp_path / 'a.npy', image)
    shown = read_rgb(path, [1, 2, 0])
    assert shown.dtype == np.uint8 and shown.shape == (4, 101, 3)
    assert shown[0, 0].tolist() == [0, 255, 0] and shown[0, -1].tolist() == [255, 0, 0]
    assert shown[0, 2, 0] == 0 and shown[0, 98, 0] == 255 and 0 < shown[0, 50, 0] < 255  # 2nd and 98th percentile
    assert np.array_equal(read_rgb(path), read_rgb(path, [0, 1, 2]))
    grey = read_rgb(path, [1])
    assert np.array_equal(grey, shown[..., :1].repeat(3, axis=2))
    image[0, 0, 1] = np.nan
    assert read_rgb(save(tmp_path / 'b.npy', image), [1], 'nan')[0, 0].tolist() == [0, 0, 0]
    cut = read_rgb(save(tmp_path / 'c.png', RGB), [2, 1, 0])
    assert np.array_equal(cut, RGB[..., ::-1])  # 8 bits are not stretched
    model = pretrainer(4)
    inputs = torch.from_numpy(image[None]).float().permute(0, 3, 1, 2).nan_to_num(1000.)
    assert np.abs(to_bytes(model, inputs, [1, 2, 0])[0].astype(int) - shown).max() <= 1
    assert to_bytes(model, inputs).shape == (1, 4, 101, 3)
