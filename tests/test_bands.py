"""Images of any bands: read as they are stored, measured, trained on, started from RGB weights, shown, exported."""
import json
import re
import struct

import cv2
import mmcv
import numpy as np
import pytest
import tifffile
import torch
from mmengine.registry import MODELS, init_default_scope
from PIL import Image

from mae_mm import MAE, MAEDecoder, MaskedAutoencoder
from mae_mm.apis.exporting import Exportable, export_model
from mae_mm.apis.statistics import Moments, folder_statistics
from mae_mm.checkpoint.bands import take_bands
from mae_mm.cli import run
from mae_mm.config import read_config
from mae_mm.datasets import ImageFolder, LoadImage
from mae_mm.datasets.nodata import missing_values
from mae_mm.datasets.reading import header, read_bands
from mae_mm.errors import InputError
from mae_mm.visualization import read_rgb
from mae_mm.visualization.reconstruction import to_bytes

from . import own_data
from .conftest import run_inside

FIVE = np.random.default_rng(0).integers(60000, size=(20, 30, 5)).astype(np.uint16)
PLANES = np.ascontiguousarray(FIVE.transpose(2, 0, 1))
RGB = (FIVE[..., :3] // 256).astype(np.uint8)
STACKED = dict(photometric='minisblack', planarconfig='contig')


def save(path, array, **options):
    if path.suffix == '.npy':
        np.save(path, array)
    elif path.suffix.lower() in ('.tif', '.tiff'):
        tifffile.imwrite(path, array, **options)
    elif array.dtype == np.uint16:
        cv2.imwrite(str(path), array[..., {1: [0], 3: [2, 1, 0], 4: [2, 1, 0, 3]}[array.shape[2]]])
    else:
        Image.fromarray(array.squeeze()).save(path, **options)
    return str(path)


@pytest.mark.parametrize('name, array, options, expected', [
    ('a.tif', FIVE, STACKED, FIVE),
    ('a.TIFF', FIVE, dict(**STACKED, tile=(16, 16), compression='zlib', predictor=True), FIVE),
    ('a.tif', PLANES, dict(photometric='minisblack', planarconfig='separate'), FIVE),
    ('a.tif', PLANES, dict(photometric='minisblack', planarconfig='separate', tile=(16, 16)), FIVE),
    ('a.tif', PLANES, dict(photometric='minisblack'), FIVE),  # a page for each band
    ('a.tif', FIVE.astype(np.float32), dict(**STACKED, byteorder='>'), FIVE.astype(np.float32)),
    ('a.tif', FIVE[..., 0].astype(np.int32) - 999, {}, FIVE[..., :1].astype(np.int32) - 999),
    ('a.tif', RGB, dict(photometric='rgb'), RGB),
    ('a.png', FIVE[..., :1], {}, FIVE[..., :1]),
    ('a.png', FIVE[..., :3], {}, FIVE[..., :3]),
    ('a.png', FIVE[..., :4], {}, FIVE[..., :4]),
    ('a.png', RGB[..., :1], {}, RGB[..., :1]),
    ('a.png', RGB, {}, RGB),
    ('a.webp', RGB, dict(lossless=True), RGB),
    ('a.bmp', RGB, {}, RGB),
    ('a.npy', FIVE, {}, FIVE),
    ('a.npy', FIVE[..., 0] / 7, {}, FIVE[..., :1] / 7),
])
def test_bands_are_read_as_they_are_stored(tmp_path, name, array, options, expected):
    path = save(tmp_path / name, array, **options)
    found, told = read_bands(path), header(path)
    assert found.dtype == expected.dtype and np.array_equal(found, expected)
    assert (told.height, told.width, told.channels, told.dtype) == (*expected.shape, str(expected.dtype))
    assert header(path).other_than_rgb == (expected.dtype != np.uint8)
    loaded = LoadImage(bands=expected.shape[2])(path)
    assert loaded['img'].dtype == np.float32 and np.array_equal(loaded['img'], expected.astype(np.float32))
    assert loaded['img_shape'] == loaded['ori_shape'] == (20, 30)
    if expected.dtype != np.uint8:
        with pytest.raises(InputError, match='need statistics of their bands: mae-mm stats DIR'):
            LoadImage()(path)


@pytest.mark.parametrize('name, mode', [
    ('a.png', 'RGB'), ('a.jpg', 'RGB'), ('a.png', 'L'), ('a.jpg', 'L'), ('a.png', 'P'), ('a.png', 'RGBA'),
    ('a.png', '1'), ('a.jpg', 'CMYK'), ('a.tif', 'RGB'), ('a.webp', 'RGB'), ('a.tif', 'L')])
def test_photographs_are_read_as_before(tmp_path, name, mode):
    path = str(tmp_path / name)
    Image.fromarray(RGB).convert(mode).save(path)
    assert np.array_equal(LoadImage()(path)['img'], mmcv.imread(path))
    assert np.array_equal(read_rgb(path), mmcv.imread(path, channel_order='rgb'))


def tiff_bytes(width, height, samples, bits, following=0):
    """A TIFF whose header says what it likes."""
    entries = [(256, 4, width), (257, 4, height), (258, 3, bits), (259, 3, 1), (262, 3, 1), (273, 4, 8),
               (277, 3, samples), (278, 4, height), (279, 4, 10)]
    return struct.pack('<2sHIH', b'II', 42, 8, len(entries)) + b''.join(
        struct.pack('<HHII', tag, kind, 1, value) for tag, kind, value in entries) + struct.pack('<I', following)


@pytest.mark.parametrize('name, content, says', [
    ('a.tif', b'no TIFF', 'cannot be read as an image'),
    ('a.tif', tiff_bytes(2**31, 2**31, 1, 8), 'more than max_pixels=200,000,000'),
    ('a.tif', tiff_bytes(10_000, 10_000, 60, 64), 'allows of 60 bands of uint64'),
    ('a.tif', tiff_bytes(100, 100, 65535, 8), '65535 bands are more than 128'),
    ('a.tif', tiff_bytes(100, 100, 1, 8, following=8), 'a TIFF of several images'),  # a chain without end
    ('a.tif', tiff_bytes(5000, 5000, 1, 8), 'cannot be read as an image'),  # whose pixels are not there
    ('a.tif', tiff_bytes(0, 0, 1, 8), 'values are not integers or floats'),
    ('a.npy', b'\x93NUMPY no array', 'cannot be read as an image'),
    ('a.npy', np.zeros((5, 20, 300)), r'an array of \(bands, height, width\) has to be transposed'),
    ('a.npy', np.zeros((1, 2, 3, 4)), r'shape \(1, 2, 3, 4\) of float64; images are'),
    ('a.npy', np.zeros((4, 4), complex), 'complex128; images are'),
    ('a.npy', np.array([[{}]], dtype=object), 'cannot be read as an image'),
    ('a.png', b'no image', 'cannot be read as an image'),
    ('a.tif', np.zeros((4, 8, 8, 3), np.uint8), 'a TIFF of several images'),
    ('none.tif', None, 'cannot be read as an image')])
def test_files_that_are_no_images(tmp_path, name, content, says):
    path = tmp_path / name
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif isinstance(content, np.ndarray) and name.endswith('.npy'):
        np.save(path, content, allow_pickle=True)
    elif content is not None:
        tifffile.imwrite(path, content, photometric='rgb')
    with pytest.raises(InputError, match=f'{name}.*{says}'):
        read_bands(str(path))


def test_a_cut_file_is_told(tmp_path):
    path = tmp_path / 'a.tif'
    tifffile.imwrite(path, FIVE, **STACKED, compression='zlib')
    whole = path.read_bytes()
    for size in (4, 100, len(whole) // 2, len(whole) - 50):
        path.write_bytes(whole[:size])
        with pytest.raises(InputError, match='a.tif cannot be read as an image'):
            read_bands(str(path))


def test_a_compression_that_needs_more_is_told(tmp_path, monkeypatch):
    path = save(tmp_path / 'a.tif', FIVE, **STACKED)
    data = bytearray(open(path, 'rb').read())
    place = data.index(struct.pack('<HHII', 259, 3, 1, 1))
    data[place + 8] = 5  # LZW
    (tmp_path / 'a.tif').write_bytes(data)
    with pytest.raises(InputError, match='COMPRESSION.LZW needs one more package: pip install imagecodecs'):
        read_bands(path)


def test_folders_take_all_known_images_and_tell_the_others(tmp_path, capsys):
    for name in ('a.webp', 'b.tiff', 'c.npy', 'd.JPG', 'e.heic', 'f.GIF', 'g.gif', 'notes.txt'):
        (tmp_path / name).write_bytes(b'')
    assert len(ImageFolder(data_root=str(tmp_path))) == 4
    assert f'{tmp_path}: left out 2 .gif, 1 .heic; known are .jpg, ' in capsys.readouterr().out


def test_moments_are_those_of_all_values_together():
    rng = np.random.default_rng(1)
    images = [rng.normal(1e8, 2, size=(7 + i, 9, 2)) for i in range(5)]
    moments = Moments(2)
    for image in images:
        moments.add(image, None)
    every = np.concatenate([image.reshape(-1, 2) for image in images])
    np.testing.assert_allclose(moments.mean, every.mean(axis=0), rtol=1e-14)
    np.testing.assert_allclose(moments.std, every.std(axis=0), rtol=1e-9)  # no cancellation
    assert np.array_equal(moments.low, every.min(axis=0)) and np.array_equal(moments.high, every.max(axis=0))


def test_pixels_without_data_are_in_neither_statistics_nor_inputs(tmp_path):
    image = FIVE[..., :2].astype(np.float32)
    holes = image.copy()
    holes[:5, :, 0], holes[3, 3, 1] = np.nan, np.inf
    np.save(tmp_path / 'a.npy', holes)
    with pytest.raises(InputError, match='a.npy: NaN or infinite values; .* --nodata nan leaves them out'):
        folder_statistics(str(tmp_path))
    found = folder_statistics(str(tmp_path), 'nan')
    seen = np.isfinite(holes)
    np.testing.assert_allclose(found['mean'], [image[..., i][seen[..., i]].mean(dtype=float) for i in range(2)])
    loaded = LoadImage(bands=2, nodata='nan', fill=found['mean'])(str(tmp_path / 'a.npy'))['img']
    assert np.array_equal(loaded[seen], holes[seen]) and np.isfinite(loaded).all()
    np.testing.assert_allclose(loaded[0, 0, 0], found['mean'][0], rtol=1e-6)
    with pytest.raises(InputError, match='a.npy: NaN or infinite values'):
        LoadImage(bands=2)(str(tmp_path / 'a.npy'))
    holes[~seen] = -9999
    np.save(tmp_path / 'a.npy', holes)
    np.testing.assert_allclose(folder_statistics(str(tmp_path), -9999.)['mean'], found['mean'], rtol=1e-12)
    assert missing_values(holes, -9999, None).sum() == (~seen).sum()
    with pytest.raises(InputError, match='the image: NaN'):  # a value is left out, NaN is not
        missing_values(np.where(seen, image, np.nan), -9999., None)


def test_what_a_tiff_declares_as_no_data_is_not_taken_for_data(tmp_path):
    holes = FIVE[..., 0].astype(np.int16)
    holes[:4] = -9999
    path = save(tmp_path / 'a.tif', holes, extratags=[(42113, 's', 0, '-9999', True)])
    says = 'a.tif: pixels of -9999, which the file declares as no data; .* --nodata -9999'
    for read in (LoadImage(bands=1), lambda path: folder_statistics(str(tmp_path))):
        with pytest.raises(InputError, match=says):
            read(path)
    found = folder_statistics(str(tmp_path), -9999.)
    np.testing.assert_allclose(found['mean'], [holes[4:].mean(dtype=float)])
    assert LoadImage(bands=1, nodata='nan', fill=[7.])(path)['img'][0, 0] == 7
    assert (read_rgb(path)[:4] == 0).all() and read_rgb(path)[4:].std() > 50


def stats(*args):
    with pytest.raises(SystemExit) as stopped:
        run(['stats', *map(str, args)])
    return stopped.value.code


def test_the_command_prints_the_setting(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    own_data.class_folders(tmp_path / 'five', count=2, multispectral=True)
    before = sorted((tmp_path / 'five').rglob('*'))
    assert stats('five') == 0
    out = capsys.readouterr().out
    assert out.endswith('--cfg-options statistics=work_dirs/stats/five.json\n') and 'need no such setting' not in out
    found = json.loads((tmp_path / 'work_dirs/stats/five.json').read_text())
    every = np.concatenate([read_bands(str(path)).reshape(-1, 5) for path in before if path.suffix == '.tif'])
    np.testing.assert_allclose(found['mean'], every.mean(axis=0))
    np.testing.assert_allclose(found['std'], every.std(axis=0))
    assert found['images'] == 6 and found['nodata'] is None and sorted((tmp_path / 'five').rglob('*')) == before
    own_data.scenes(tmp_path / 'scenes', count=1)
    assert stats('scenes', '--out', 'own.json', '--nodata', 'nan') == 0  # the labels are no images
    assert json.loads((tmp_path / 'own.json').read_text())['images'] == 3
    assert '8-bit grey and RGB images need no such setting' in capsys.readouterr().out


@pytest.mark.parametrize('second, says', [
    (FIVE[..., :4], 'b.npy: 4 bands, and .*a.npy has 5'),
    (np.where(FIVE < 100, np.inf, FIVE), 'b.npy: NaN or infinite values'),
    (None, 'b.npy cannot be read as an image')])
def test_folders_that_have_no_statistics(tmp_path, capsys, second, says):
    np.save(tmp_path / 'a.npy', FIVE)
    (tmp_path / 'b.npy').write_bytes(b'') if second is None else np.save(tmp_path / 'b.npy', second)
    assert stats(tmp_path, '--out', tmp_path / 'out.json') == 2
    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert re.search(f'^error: .*{says}', last)
    assert not (tmp_path / 'out.json').exists()


def test_a_band_of_one_value_has_no_statistics(tmp_path):
    flat = FIVE.copy()
    flat[..., 2] = 7
    np.save(tmp_path / 'a.npy', flat)
    with pytest.raises(InputError, match='band 2 is 7 everywhere, so that it cannot be normalised'):
        folder_statistics(str(tmp_path))
    with pytest.raises(InputError, match='band 2 has no data'):
        folder_statistics(str(tmp_path), 7.)


SIZES = dict(img_size=32, patch_size=8, embed_dims=16, num_layers=2, num_heads=2)


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
    ([0, 1, 3, None, None], 5, '3 is no band of the checkpoint, which has 0 to 2'),
    ([0, -1, None, None, None], 5, '-1 is no band of the checkpoint'),
    ([0, 1., None, None, None], 5, '1.0 is no band of the checkpoint')])
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
        load = next(step for step in steps if step.type == 'LoadImageFromFile')
        assert (load.bands, load.nodata, load.fill) == (5, -1, of_bands(5)['mean'])
        assert not any(step.get('backend') == 'pillow' or step.type in ('RandAugment', 'RandomErasing')
                       for step in steps)
    for name in ('mae/upernet_folder', 'mae/upernet_mae-base_fp16_8x2_512x512_160k_ade20k'):
        text = read_config(name, dict(statistics=of_bands(5))).pretty_text
        assert 'PhotoMetricDistortion' not in text and text.count('bands=5') >= 3
    plain = read_config('finetune/vit_folder')
    assert plain.picture_bands is None and 'in_channels' not in plain.model.backbone
    again = read_config('pretrain/mae_vit_folder', dict(statistics=of_bands(1)))
    assert again.picture_bands == [0]


@pytest.mark.parametrize('options, says', [
    (dict(statistics='none.json'), 'none.json is no file of statistics'),
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
    encoder = "dict(arch=None, embed_dims=16, num_layers=2, num_heads=2, patch_size=8, img_size=32)"
    path.write_text(f"_base_ = '{own_data.__file__.rsplit('/tests', 1)[0]}/configs/{name}.py'\nimg_size = 32\n"
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
    head = 'model["head"] = dict(in_channels=16)\n'
    tune = config_of(folders, number, tmp_path, 'finetune/vit_folder', head)
    assert run_inside('tools/train.py', tune, '--work-dir', 'tune', *options, f'checkpoint={start}') == 0
    tuned = 'tune/epoch_1.pth'
    assert run_inside('tools/test.py', tune, tuned, '--work-dir', 'test', '--out', 'test', '--show-dir', 'test',
                      *options[:3]) == 0
    classes = [*options[:3], 'num_classes=3', "test_dataloader.dataset.metainfo.classes=['a','b','c']"]
    assert run_inside('tools/predict.py', tune, tuned, folders / number / 'coffee', '--out', 'drawn', *classes) == 0
    assert len(list((tmp_path / 'drawn' / 'pictures').glob('*.png'))) == 4
    knn = config_of(folders, number, tmp_path, 'knn/vit_knn_folder', head)
    assert run_inside('tools/knn.py', knn, start, '-k', 1, *options[:3]) == 0
    assert run_inside('tools/probe.py', knn, start, *options[:3]) == 0
    capsys.readouterr()
    assert run_inside('tools/inspect_checkpoint.py', start) == 0
    assert f'patch 8, {number} channels' in capsys.readouterr().out
    assert run_inside('tools/model_converters/beit2mmseg.py', start, 'encoder.pth') == 0
    # The run's own config and its checkpoint hold the statistics.
    (folders / f'{number}.json').rename(tmp_path / 'away.json')
    try:
        assert run_inside('tools/test.py', 'tune/finetune.py', tuned, '--work-dir', 'again') == 0
    finally:
        (tmp_path / 'away.json').rename(folders / f'{number}.json')


def test_starting_from_rgb_is_reported(folders, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save(dict(state_dict=pretrainer(3).state_dict()), 'rgb.pth')
    head = 'model["head"] = dict(in_channels=16)\n'
    tune = config_of(folders, '5', tmp_path, 'finetune/vit_folder', head)
    options = ('--work-dir', 'w', '--cfg-options', f'data_root={folders / "5"}', 'img_size=32', 'max_epochs=1')
    assert run_inside('tools/train.py', tune, *options, 'checkpoint=rgb.pth', 'bands=2,1,0,None,None') == 0
    assert 'bands 0 from 2, 1 from 1, 2 from 0, 3 and 4 new, from the mean of all' in capsys.readouterr().out
    pretrain = config_of(folders, '5', tmp_path, 'pretrain/mae_vit_folder',
                         "model['decoder'] = dict(embed_dims=16, num_layers=1, num_heads=2)\n")
    assert run_inside('tools/train.py', pretrain, *options, 'load_from=rgb.pth', 'bands=2,1,0,None,None') == 0
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
