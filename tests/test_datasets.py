"""Folders of images, and samplers of epochs."""
import importlib.util
import shutil
import struct
import zlib

import pytest
from PIL import Image

from mae_mm.datasets import ClassFolder, EpochSampler, ImageFolder, LoadImage
from mae_mm.datasets.pairs import stems_in
from mae_mm.datasets.splitting import held_out
from mae_mm.errors import InputError

from .conftest import ROOT


def test_held_out_images_are_not_trained_on(images):
    train, rest = (ImageFolder(data_root=str(images), held_out=.3, split=split) for split in ('train', 'held_out'))
    names = [{dataset.get_data_info(i)['img_path'] for i in range(len(dataset))} for dataset in (train, rest)]
    assert not names[0] & names[1] and len(names[0] | names[1]) == 15 and min(map(len, names)) > 1
    assert len(ImageFolder(data_root=str(images), split='held_out')) == 15
    with pytest.raises(InputError, match="split='test' is neither"):
        ImageFolder(data_root=str(images), split='test')
    assert len(ImageFolder(data_root=str(images), held_out=1e-9, split='held_out')) == 1
    assert len(ImageFolder(data_root=str(images), held_out=.9999, split='train')) == 1
    for share in (-1, 1, float('nan')):
        with pytest.raises(InputError, match='is not a share of at least 0 and below 1'):
            ImageFolder(data_root=str(images), held_out=share)


def test_an_image_stays_on_its_side_when_others_come_or_go():
    names = [f'{i}.png' for i in range(100)]
    chosen = held_out(names, .3)
    assert 10 < len(chosen) < 50 and held_out(names[:50], .3) == chosen & set(names[:50])


def test_class_folders_with_and_without_splits(tmp_path):
    for name, count in (('cat', 7), ('dog', 4)):
        (tmp_path / 'flat' / name).mkdir(parents=True)
        for i in range(count):
            (tmp_path / 'flat' / name / f'{i}.png').write_bytes(b'')
    root = str(tmp_path / 'flat')
    train, val = (ClassFolder(data_root=root, split=split, held_out=.3) for split in ('train', 'val'))
    labels = [[dataset.get_data_info(i)['gt_label'] for i in range(len(dataset))] for dataset in (train, val)]
    paths = [{dataset.get_data_info(i)['img_path'] for i in range(len(dataset))} for dataset in (train, val)]
    assert set(labels[0]) == set(labels[1]) == {0, 1} and not paths[0] & paths[1] and len(paths[0] | paths[1]) == 11
    for split in ('train', 'val'):
        shutil.copytree(tmp_path / 'flat', tmp_path / 'own' / split)
    assert len(ClassFolder(data_root=str(tmp_path / 'own'), split='train')) == 11
    assert ClassFolder.find_metainfo(data_root=str(tmp_path / 'own'), split='val') == dict(classes=('cat', 'dog'))
    (tmp_path / 'own/val/horse').mkdir()
    with pytest.raises(InputError, match='no images of class horse; add some, or remove the folder'):
        ClassFolder(data_root=str(tmp_path / 'own'), split='val')
    with pytest.raises(InputError, match=r'folder horse is not one of the 2 classes \(cat, dog\)'):
        ClassFolder(data_root=str(tmp_path / 'own'), split='val', metainfo=dict(classes=('cat', 'dog')))
    shutil.rmtree(tmp_path / 'own/val/horse')
    shutil.rmtree(tmp_path / 'own/val/cat')  # those that are there keep their numbers
    some = ClassFolder(data_root=str(tmp_path / 'own'), split='val', metainfo=dict(classes=('cat', 'dog')))
    assert {some.get_data_info(i)['gt_label'] for i in range(len(some))} == {1}
    shutil.rmtree(tmp_path / 'flat/dog')
    with pytest.raises(InputError, match='one class folder, cat, and a classifier needs two or more: .*/flat/CLASS'):
        ClassFolder.find_metainfo(data_root=str(tmp_path / 'flat'), split='train')


def test_some_images_of_each_class(tmp_path):
    for name, count in (('cat', 7), ('dog', 4)):
        (tmp_path / name).mkdir()
        for i in range(count):
            (tmp_path / name / f'{i}.png').write_bytes(b'')
    chosen = ClassFolder(data_root=str(tmp_path), per_class=3)
    assert [info['gt_label'] for info in map(chosen.get_data_info, range(6))] == [0] * 3 + [1] * 3
    assert len(chosen) == 6 and chosen.metainfo['classes'] == ('cat', 'dog')
    with pytest.raises(InputError, match='class dog has 4 images, fewer than per_class=5'):
        ClassFolder(data_root=str(tmp_path), per_class=5)


def test_epochs_draw_anew_and_processes_share_them():
    sampler = EpochSampler(range(6), seed=1)
    first = list(sampler)
    sampler.set_epoch(1)
    second = list(sampler)
    assert sorted(first) == sorted(second) == list(range(6)) and first != second
    assert len({draw.key for draw in first + second}) == 12
    halves = []
    for rank in (0, 1):
        half = EpochSampler(range(6), seed=1)
        half.rank, half.world_size, half.num_samples = rank, 2, 3
        halves.append(list(half))
    shared = [draw for pair in zip(*halves, strict=True) for draw in pair]
    assert shared == first and [draw.key for draw in shared] == [draw.key for draw in first]


def test_a_data_set_of_torchvision_becomes_a_folder(tmp_path):
    spec = importlib.util.spec_from_file_location('tool', ROOT / 'tools/dataset_converters/image_folder.py')
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)

    class Pairs(list):
        classes = ('cat', 'dog')

    tool.write_split(Pairs((Image.new('RGB', (4, 4), (i, 0, 0)), i % 3 - 1) for i in range(6)), str(tmp_path))
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob('*.png')) == [
        '000000.png', '000003.png', 'cat/000001.png', 'cat/000004.png', 'dog/000002.png', 'dog/000005.png']
    assert Image.open(tmp_path / 'dog/000005.png').getpixel((0, 0)) == (5, 0, 0)


def test_an_image_of_a_billion_pixels_is_not_decoded(tmp_path):
    header = b'IHDR' + struct.pack('>IIBBBBB', 40_000, 25_000, 8, 2, 0, 0, 0)
    (tmp_path / 'a.png').write_bytes(b'\x89PNG\r\n\x1a\n' + struct.pack('>I', 13) + header
                                     + struct.pack('>I', zlib.crc32(header)) + struct.pack('>I', 9) + b'IDAT')
    with pytest.raises(InputError, match='25000x40000 are 1,000,000,000 pixels, more than max_pixels=200'):
        LoadImage().transform(dict(img_path=str(tmp_path / 'a.png')))
    limit = Image.MAX_IMAGE_PIXELS
    Image.new('RGB', (5, 4)).save(tmp_path / 'b.png')
    assert LoadImage(max_pixels=20).transform(dict(img_path=str(tmp_path / 'b.png')))['img'].shape == (4, 5, 3)
    with pytest.raises(InputError, match='4x5 are 20 pixels, more than max_pixels=19'):
        LoadImage(max_pixels=19).transform(dict(img_path=str(tmp_path / 'b.png')))
    assert Image.MAX_IMAGE_PIXELS == limit


def test_a_share_of_a_list_is_held_out_too(images, tmp_path):
    names = sorted(str(path.relative_to(images)) for path in images.rglob('*.png'))
    (tmp_path / 'list.txt').write_text('\n'.join(names))
    train, rest = ([sample['img_path'] for sample in ImageFolder(
        data_root=str(images), ann_file=str(tmp_path / 'list.txt'), held_out=.3, split=split).load_data_list()]
        for split in ('train', 'held_out'))
    assert rest and not set(train) & set(rest) and len(train) + len(rest) == len(names)


def test_folders_that_link_to_themselves_end(tmp_path):
    (tmp_path / 'a').mkdir()
    (tmp_path / 'a' / 'x.png').write_bytes(b'')
    for name in 'bc':
        (tmp_path / 'a' / name).symlink_to(tmp_path / 'a')
    assert stems_in(str(tmp_path / 'a'), ('.png', )) == {'x': str(tmp_path / 'a' / 'x.png')}


@pytest.mark.parametrize('text, message', [
    ('cat/0.png 0\n\n', 'cannot be read as a list of images and labels'), ('', 'no images there'),
    ('cat/0.png cat', 'cannot be read as a list of images and labels'),
    ('cat/0.png 2', 'label 2 of .* is not a class'),
    ('cat/0.png -1', 'label -1 of .* is not a class'), (None, 'list.txt cannot be read'),
])
def test_a_list_that_is_none(tmp_path, text, message):
    for name in ('cat', 'dog'):
        (tmp_path / name).mkdir()
    if text is not None:
        (tmp_path / 'list.txt').write_text(text)
    with pytest.raises(InputError, match=message):
        ClassFolder(data_root=str(tmp_path), ann_file='list.txt', metainfo=dict(classes=('cat', 'dog')))
