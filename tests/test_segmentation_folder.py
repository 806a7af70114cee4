"""Folders of images and label maps: layouts, what is refused, training and tests."""
import json
import re
import shutil

import cv2
import numpy as np
import pytest
from mmengine.logging import MMLogger
from PIL import Image

from mae_mm.datasets import SegmentationFolder
from mae_mm.errors import InputError

from .conftest import ROOT, run_inside
from .own_data import SHAPES
from .scene_tools import CONFIG, TEST, TRAIN, arguments, as_rgb, change_labels, settled, split_up


def stems(folder, split, **settings):
    dataset = SegmentationFolder(data_root=str(folder), split=split, **settings)
    infos = [dataset.get_data_info(i) for i in range(len(dataset))]
    for info in infos:
        assert info['img_path'].rpartition('.')[0].endswith(
            info['seg_map_path'].rpartition('.')[0].rpartition('labels/')[2].rpartition('annotations/')[2])
    return [info['img_path'].rpartition('/images/')[2].rpartition('.')[0] for info in infos]


def test_every_layout_gives_disjoint_pairs(folder):
    train, val = (stems(folder, split) for split in ('train', 'val'))
    assert sorted(train + val) == [f'{i:02d}' for i in range(12)] and train and val
    assert len(stems(folder, 'val', held_out=.5)) > len(val)
    assert stems(folder, 'val', held_out=0.) == sorted(train + val)
    (folder / 'train.txt').write_text('03\n05.jpg\n\n04\n')
    (folder / 'val.txt').write_text('\ufeff07\n', encoding='utf-8')
    assert (stems(folder, 'train'), stems(folder, 'val')) == (['03', '05', '04'], ['07'])
    (folder / 'mine.txt').write_text('08\n')
    assert stems(folder, 'train', ann_file='mine.txt') == ['08']
    for name in ('train', 'val'):
        (folder / f'{name}.txt').unlink()
    split_up(folder)
    assert stems(folder, 'val') == ['val/00', 'val/04', 'val/08'] and len(stems(folder, 'train')) == 9
    (folder / 'images/train').rename(folder / 'images/training')
    (folder / 'images/val').rename(folder / 'images/validation')
    (folder / 'labels').rename(folder / 'annotations')
    assert len(SegmentationFolder(data_root=str(folder), split='val')) == 3
    with pytest.raises(InputError, match='images/test: no such folder'):
        SegmentationFolder(data_root=str(folder), split='test')


def test_nested_folders_other_names_and_suffixes(folder):
    for kind in ('images', 'labels'):
        (folder / kind / 'some/more').mkdir(parents=True)
        for path in (folder / kind).glob('1*.*'):
            path.rename(folder / kind / 'some/more' / path.name)
    assert 'some/more/10' in stems(folder, 'train') + stems(folder, 'val')
    for path in folder.glob('labels/*.png'):
        path.rename(path.with_name(f'{path.stem}_Mask.PNG'))
    shutil.rmtree(folder / 'images/some')
    shutil.rmtree(folder / 'labels/some')
    (folder / 'images').rename(folder / 'pictures')
    dataset = SegmentationFolder(data_root=str(folder), data_prefix=dict(img_path='pictures', seg_map_path='labels'),
                                 seg_map_suffix='_mask.png', held_out=0.)
    assert len(dataset) == 10 and dataset.get_data_info(3)['seg_map_path'].endswith('labels/03_Mask.PNG')


@pytest.mark.parametrize('change, message', [
    (lambda root: (root / 'labels/03.png').unlink(), r'no label map for 1 of 12 images, such as .*images/03.jpg'),
    (lambda root: shutil.copy(root / 'images/03.jpg', root / 'images/03.JPEG'), '03.JPEG and .*03.jpg have one name'),
    (lambda root: shutil.rmtree(root / 'labels'), 'labels: no such folder'),
    (lambda root: shutil.rmtree(root), 'scenes: no such folder; say where .* data_root=DIR'),
    (lambda root: [path.unlink() for path in root.glob('images/*')], 'images: no images there; known are .jpg'),
    (lambda root: [path.unlink() for path in root.glob('labels/*')], 'labels: no label maps there; known are .png'),
    (lambda root: (root / 'labels/03.png').rename(root / 'labels/03.jpg'), '03.jpg: .jpg does not keep the values'),
    (lambda root: (root / 'train.txt').write_text('03'), 'val.txt is missing'),
    (lambda root: [(root / f'{name}.txt').write_text('03\n') for name in ('train', 'val')], 'both list 03'),
    (lambda root: [(root / f'{name}.txt').write_text(name) for name in ('train', 'val')], 'train is not an image in'),
    (lambda root: [(root / f'{name}.txt').write_text('') for name in ('train', 'val')], 'no names there'),
    (lambda root: [path.unlink() for path in root.glob('*/*') if path.stem != '03'], 'one image, and two or more'),
    (lambda root: cv2.imwrite(f'{root}/labels/03.png', np.zeros((64, 60), np.uint8)),
     '03.png: 64x60 labels of an image of 64x80 pixels'),
    (lambda root: Image.fromarray(np.zeros((64, 80), np.float32)).save(root / 'labels/03.tif')
     or (root / 'labels/03.png').unlink(), '03.tif: a label map of floating-point numbers'),
    (lambda root: (root / 'labels/03.png').write_bytes(b'no image'), '03.png cannot be read as a label map'),
    (lambda root: cv2.imwrite(f'{root}/labels/03.png', np.full((64, 80), 7, np.uint8)),
     '03.png: label 7 is not a class; classes are 0 to 2, and 255 is ignored'),
    (lambda root: cv2.imwrite(f'{root}/labels/03.png', np.full((64, 80), 256, np.uint16)),
     '03.png: label 256 is not a class'),
])
def test_bad_folders_are_told_before_the_run(folder, change, message):
    settled(folder)
    change(folder)
    with pytest.raises(InputError, match=message):
        settled(folder)


def test_label_maps_without_an_image_are_told(folder, told):
    (folder / 'images/03.jpg').unlink()
    settled(folder)
    assert sum('label maps without an image, left out: 1, such as ' in line for line in told) == 1
    assert any('train: images with label maps: 10' in line for line in told)


def test_a_photograph_that_is_turned_by_its_header_fits_its_label(folder):
    with Image.open(folder / 'images/03.jpg') as image:
        exif = image.getexif()
        exif[274] = 6
        image.transpose(Image.Transpose.ROTATE_90).save(folder / 'images/03.jpg', exif=exif)
    SegmentationFolder.check(data_root=str(folder))


@pytest.mark.parametrize('change', [as_rgb, None], ids=['rgb', 'splits'])
def test_a_folder_is_trained_on_and_tested(folder, tmp_path, change):
    if change is None:
        split_up(folder)
    else:
        change_labels(folder, change)
    options = arguments(folder, tmp_path / 'w', class_weight='frequency', crop_size=(96, 48))  # padded, and cut
    assert run_inside(TRAIN, CONFIG, *options) == 0
    assert run_inside(TEST, CONFIG, tmp_path / 'w/iter_2.pth', '--out', tmp_path / 'out', '--show-dir',
                      tmp_path / 'show', *options) == 0
    written = list((tmp_path / 'out').glob('*.png'))
    assert written and len(written) == len(list((tmp_path / 'show').glob('*.png')))
    assert Image.open(written[0]).mode == 'P' and Image.open(written[0]).size == (80, 64)
    assert set(json.loads((tmp_path / 'w/metrics.json').read_text())['classes']) == set(SHAPES)


def test_a_head_of_one_image_is_refused(error_of, folder, tmp_path):
    (folder / 'train.txt').write_text('01\n')
    (folder / 'val.txt').write_text('02\n')
    assert 'needs two images or more' in error_of(TRAIN, CONFIG, *arguments(folder, tmp_path / 'w'))
    assert not (tmp_path / 'w').exists()


def test_a_config_that_inherits_another_number_of_classes(error_of, folder, tmp_path):
    """Its label check was that of CamVid's 11 classes: labels of 3 to 10 ended in an IndexError in training."""
    split_up(folder, labels='annotations')
    path = tmp_path / 'three.py'
    path.write_text(f"_base_ = '{ROOT}/configs/mae/upernet_mae-tiny_1x8_256x256_400_camvid.py'\n"
                    "three = dict(metainfo=dict(_delete_=True, classes=('a', 'b', 'c'),"
                    "                           palette=[[0] * 3, [1] * 3, [2] * 3]))\n"
                    "model = dict(decode_head=dict(num_classes=3), auxiliary_head=dict(num_classes=3),\n"
                    "             backbone=dict(init_cfg=None))\n"
                    "train_dataloader = dict(dataset=three, batch_size=2, num_workers=0, persistent_workers=False)\n"
                    "val_dataloader = dict(dataset=three, num_workers=0, persistent_workers=False)\n"
                    "test_dataloader = val_dataloader\n")
    change_labels_of = sorted((folder / 'annotations/train').iterdir())
    for label in change_labels_of:
        cv2.imwrite(str(label), np.full((64, 80), 5, np.uint8))
    options = ['--work-dir', tmp_path / 'w', '--cfg-options', f'data_root={folder}']
    error = error_of(TRAIN, path, *options)
    assert error.endswith('label 5 is not a class; classes are 0 to 2, and 255 is ignored')
    path.write_text(path.read_text().replace('num_classes=3', 'num_classes=11'))
    assert 'model.decode_head.num_classes=11, and the data has 3 classes (a, b, c)' in error_of(TRAIN, path, *options)


def test_sizes_are_compared_for_the_hosts_data_sets_too(error_of, config, scenes, tmp_path):
    shutil.copytree(scenes, tmp_path / 'data')
    cv2.imwrite(str(tmp_path / 'data/annotations/training/3.png'), np.zeros((32, 30), np.uint8))
    MMLogger._instance_dict.clear()
    error = error_of(TRAIN, config, '--work-dir', tmp_path / 'w', '--cfg-options', f'data_root={tmp_path}/data')
    assert error.endswith('3.png: 32x30 labels of an image of 32x32 pixels (height x width); both must have one size')


def test_labels_that_are_all_ignored_are_told(folder, tmp_path, error_of, monkeypatch):
    assert run_inside(TRAIN, CONFIG, *arguments(folder, tmp_path / 'w', **{'randomness.seed': 0})) == 0
    change_labels(folder, lambda path, values: np.full_like(values, 255))
    error = error_of(TRAIN, CONFIG, *arguments(folder, tmp_path / 'other'))
    assert 'none of 11 label maps of train_dataloader has a pixel with a class: all are ignored' in error
    checkpoint = next((tmp_path / 'w').glob('iter_*.pth'))
    error = error_of(TEST, CONFIG, checkpoint, *arguments(folder, tmp_path / 'other'))
    assert 'no pixel of the measured images has a class' in error


def test_batches_without_a_label_are_left_out_of_the_mean_and_counted(folder, tmp_path):
    change_labels(folder, lambda path, values: np.full_like(values, 255) if int(path.stem) % 4 else values)
    options = {'batch_size': 2, 'max_iters': 8, 'default_hooks.logger.interval': 1, 'randomness.seed': 0}
    assert run_inside(TRAIN, CONFIG, *arguments(folder, tmp_path / 'w', **options)) == 0
    log = next((tmp_path / 'w').rglob('*.log')).read_text()
    assert 'No pixel of the batch of iteration' in log and '/labels/' in log
    number = int(re.search(r'(\d+) batches had no pixel with a class, and were left out of the means', log)[1])
    losses = [float(text) for text in re.findall(r' loss: ([\d.]+)', log)]
    assert 0 < number < 8 and min(losses) > 0
