"""The data path: crops and their pixels, what is opened and decoded, randomness."""
import builtins
import io
import math
import random
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import tifffile
import torch
from mmengine.model import ImgDataPreprocessor
from mmpretrain.datasets.transforms import PackInputs as TheirPackInputs
from mmpretrain.structures import DataSample
from PIL import Image
from skimage import data
from torchvision.transforms import RandomResizedCrop

from mae_mm.datasets import LoadCrop, LoadImage, PackInputs, crops, seed_all
from mae_mm.datasets.crops import draw_crop, resized
from mae_mm.engine import hooks
from mae_mm.errors import InputError
from mae_mm.models import ImagePreprocessor

from .conftest import run_inside
from .own_data import class_folders

FOLDER = 'pretrain/mae_vit_folder'
PHOTOS = ('astronaut', 'coffee', 'chelsea', 'rocket')
AREA, RATIO = (0.2, 1.), (3 / 4, 4 / 3)


def photo(name):
    return np.ascontiguousarray(getattr(data, name)()[..., :3])


def jpeg(pixels, **options) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, 'JPEG', **dict(quality=95, **options))
    return file.getvalue()


# Crops


@pytest.mark.parametrize('height, width', [(375, 500), (500, 333), (64, 64), (200, 310)])
def test_crops_are_drawn_as_torchvision_draws_them(height, width):
    image = torch.empty(3, height, width)
    theirs = np.array([RandomResizedCrop.get_params(image, AREA, RATIO) for _ in range(4000)], float)
    random.seed(0)
    ours = np.array([draw_crop(height, width, AREA, RATIO) for _ in range(4000)], float)
    for of_crop in (lambda c: c[:, 2] * c[:, 3], lambda c: c[:, 3] / c[:, 2], lambda c: c[:, 0], lambda c: c[:, 1],
                    lambda c: c[:, 0] + c[:, 2], lambda c: c[:, 1] + c[:, 3]):
        values = np.sort(of_crop(theirs)), np.sort(of_crop(ours))
        cdfs = [np.searchsorted(some, np.concatenate(values), side='right') / 4000 for some in values]
        assert np.abs(cdfs[0] - cdfs[1]).max() < 1.95 * math.sqrt(2 / 4000)  # Kolmogorov-Smirnov, one in a thousand


@pytest.mark.parametrize('height, width', [(20, 2000), (2000, 20), (1, 1), (3, 1)])
def test_an_image_without_such_a_crop_gives_its_centre(height, width):
    torch.manual_seed(0)
    theirs = {RandomResizedCrop.get_params(torch.empty(3, height, width), (.9, 1.), RATIO) for _ in range(20)}
    ours = {draw_crop(height, width, (.9, 1.), RATIO) for _ in range(20)}
    assert ours == theirs if (height, width) != (3, 1) else {(1, 0, 1, 1)}


def test_flips_are_as_likely_as_asked():
    image = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    for share in (0., .25, 1.):
        step = LoadCrop(2, area=(1, 1), ratio=(1, 1), flip=share)
        random.seed(1)
        flipped = [np.array_equal(step(dict(img=image))['img'], image[:, ::-1]) for _ in range(800)]
        assert abs(np.mean(flipped) - share) < .06


@pytest.mark.parametrize('name', PHOTOS)
def test_pixels_are_those_of_pillow(name):
    image = photo(name)
    random.seed(0)
    for size in ((224, 224), (96, 96), (60, 100)):
        for _ in range(10):
            top, left, height, width = draw_crop(*image.shape[:2], AREA, RATIO)
            theirs = Image.fromarray(image).resize(size[::-1], Image.Resampling.BICUBIC,
                                                   box=(left, top, left + width, top + height), reducing_gap=None)
            ours = resized(image[top:top + height, left:left + width], size)
            assert np.abs(ours.astype(int) - np.asarray(theirs, int)).mean() < .5


@pytest.mark.parametrize('name', PHOTOS)
@pytest.mark.parametrize('size, times', [(224, 1), (96, 2), (40, 4)])
def test_a_jpeg_decoded_smaller_gives_the_same_pixels(name, size, times, monkeypatch):
    step, content = LoadCrop(size, flip=0.), jpeg(photo(name))
    whole = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    used, distances = [], []
    draw = draw_crop

    def drawn(*args):
        used.append((args[:2], draw(*args)))
        return used[-1][1]

    monkeypatch.setattr(crops, 'draw_crop', drawn)
    random.seed(0)
    for _ in range(20):
        pixels = step(dict(img_bytes=content, img_path='a.jpg'))['img']
        (height, _), (top, left, h, w) = used[-1]
        scale = round(whole.shape[0] / height)
        box = np.array([left, top, left + w, top + h]) * scale
        box[2:] = np.minimum(box[2:], whole.shape[1::-1])
        theirs = Image.fromarray(whole).resize((size, size), Image.Resampling.BICUBIC, box=tuple(box.tolist()))
        distances.append(np.abs(pixels.astype(int) - np.asarray(theirs, int)).mean())
    assert scale <= times and np.mean(distances) < 2 and (name != 'astronaut' or scale == times)


# What is no plain photograph is read by the plain road.


def save_strange(path, kind):
    image = Image.fromarray(photo('astronaut')[:64, :64])
    if kind == 'exif':
        turned = Image.Exif()
        turned[0x0112] = 6
        image.save(path.with_suffix('.jpg'), exif=turned, quality=95)
        return path.with_suffix('.jpg')
    suffix = '.jpg' if kind in ('CMYK', 'L-jpg') else '.png'
    image.convert(kind.removesuffix('-jpg')).save(path.with_suffix(suffix))
    return path.with_suffix(suffix)


@pytest.mark.parametrize('kind', ['RGB', 'L', 'L-jpg', 'P', '1', 'RGBA', 'LA', 'CMYK', 'exif'])
def test_other_images_are_read_as_by_the_plain_road(tmp_path, kind):
    path = save_strange(tmp_path / 'a', kind)
    plain = LoadImage()(str(path))['img']
    whole = dict(area=(1, 1), ratio=(1, 1), flip=0.)
    assert np.array_equal(LoadCrop(64, **whole)(dict(img_path=str(path)))['img'], plain)
    # Decoded smaller, it is turned and coloured as before.
    small = LoadCrop(16, **whole)(dict(img_path=str(path)))['img'].astype(int)
    assert np.abs(small - resized(plain, (16, 16))).mean() < 3


def test_images_of_other_values_are_refused_or_read_as_bands(tmp_path):
    five = np.random.default_rng(0).integers(60000, size=(20, 30, 5)).astype(np.uint16)
    tifffile.imwrite(tmp_path / 'a.tif', five, photometric='minisblack', planarconfig='contig')
    cv2.imwrite(str(tmp_path / 'b.png'), five[..., :3])
    for name in ('a.tif', 'b.png'):
        with pytest.raises(InputError, match=f'{name}: . bands of uint16. Images other than'):
            LoadCrop(8)(dict(img_path=str(tmp_path / name)))
    crop = LoadCrop((8, 12), bands=5)(dict(img_path=str(tmp_path / 'a.tif')))['img']
    assert crop.shape == (8, 12, 5) and crop.dtype == np.float32 and crop.max() > 1000


# Files


@pytest.mark.parametrize('name', ['a.jpg', 'a.png', 'a.tif', 'b.tif', 'b.png', 'b.npy'])
def test_a_file_is_opened_once_and_its_content_serves_as_well(tmp_path, name, monkeypatch):
    path, bands = tmp_path / name, None
    if name[0] == 'a':
        Image.fromarray(photo('astronaut')[:40, :50]).save(path)
    else:
        bands = 3
        pixels = np.random.default_rng(0).integers(60000, size=(20, 30, 3)).astype(np.uint16)
        if path.suffix == '.npy':
            np.save(path, pixels)
        elif path.suffix == '.png':
            cv2.imwrite(str(path), pixels)
        else:
            tifffile.imwrite(path, pixels, extratags=[(42113, 's', 0, '-1', True)])
    opened, real = [], builtins.open
    monkeypatch.setattr(builtins, 'open', lambda file, *args, **kwargs: opened.append(str(file)) or real(
        file, *args, **kwargs))
    step = LoadImage(bands=bands)
    read = step(dict(img_path=str(path)))
    assert bands or opened.count(str(path)) == 1
    opened.clear()
    content = path.read_bytes()
    path.unlink()
    opened.clear()
    again = step(dict(img_path=str(path), img_bytes=content))
    assert np.array_equal(again['img'], read['img']) and not opened and 'img_bytes' not in again
    with pytest.raises(InputError, match=f'in/shard/{name}.*cannot be read as an image'):
        step(dict(img_path=f'in/shard/{name}', img_bytes=b'no image'))


def test_packing_is_mmpretrains():
    for pixels in (photo('coffee'), photo('coffee')[:, ::-1], photo('coffee')[..., :1],
                   np.random.rand(5, 6, 7).astype(np.float32), np.zeros((3, 4), np.uint8)):
        ours, theirs = (kind().transform(dict(img=pixels, img_path='a', sample_idx=3))
                        for kind in (PackInputs, TheirPackInputs))
        assert torch.equal(ours['inputs'], theirs['inputs']) and ours['inputs'].is_contiguous()
        assert ours['data_samples'].metainfo == theirs['data_samples'].metainfo


def test_samples_that_are_not_read_are_not_copied():
    batch = dict(inputs=torch.randint(256, (2, 3, 4, 5), dtype=torch.uint8), data_samples=[DataSample(), DataSample()])
    settings = dict(mean=[1., 2., 3.], std=[4., 5., 6.], bgr_to_rgb=True)
    ours, theirs = ImagePreprocessor(**settings)(dict(batch)), ImgDataPreprocessor(**settings)(dict(batch))
    assert torch.equal(ours['inputs'], theirs['inputs'])
    assert all(a is b for a, b in zip(ours['data_samples'], batch['data_samples'], strict=True))
    assert ImagePreprocessor(**settings)(dict(inputs=batch['inputs']))['data_samples'] is None


# Randomness


def test_seeding_leaves_accelerators_to_the_step(monkeypatch):
    seeded = []
    monkeypatch.setattr(torch, 'manual_seed', seeded.append)

    def numbers(*key):
        seed_all(*key)
        return random.random(), np.random.rand(), torch.rand(1).item()

    drawn = [numbers(seed, epoch, place) for seed in (0, 1) for epoch in (0, 1) for place in range(200)]
    assert len(set(drawn)) == 800 and numbers(1, 1, 7) == drawn[607] and not seeded
    assert all(.45 < np.mean(values) < .55 for values in zip(*drawn, strict=True))
    for device, count in (('cpu', 0), ('cuda', 1)):
        monkeypatch.setattr(hooks, 'get_device', lambda device=device: device)
        hooks.SeedStepHook().before_train_iter(SimpleNamespace(seed=3, iter=5), 0)
        assert seeded == [torch.initial_seed()] * count


def test_a_broken_image_is_replaced_through_the_command(tmp_path, error_of):
    """It is refused before the run, unless the setting says otherwise; then it is named once."""
    class_folders(tmp_path / 'images', 4)
    (tmp_path / 'images' / 'broken.jpg').write_text('no image')
    small = ['model.backbone.arch=None', 'model.backbone.embed_dims=16', 'model.backbone.num_layers=1',
             'model.backbone.num_heads=2', 'model.decoder.embed_dims=16', 'model.decoder.num_layers=1']
    args = ['tools/train.py', 'pretrain/mae_vit_folder', '--work-dir', tmp_path / 'w', '--cfg-options',
            f'data_root={tmp_path / "images"}', 'img_size=32', 'max_epochs=2', 'batch_size=4', *small]
    assert 'broken.jpg cannot be read as an image' in error_of(*args)
    assert run_inside(*args, 'on_broken=replace', 'max_broken=0.2', 'train_dataloader.num_workers=0',
                      'train_dataloader.persistent_workers=False') == 0
    log = next((tmp_path / 'w').glob('2*/*.log')).read_text()
    assert log.count('others are trained on in its place') == 1
