"""Folders of images and label maps: layouts, classes, label formats, weights, and what is refused."""
import json
import logging
import shutil
import struct
import zlib

import cv2
import numpy as np
import pytest
from mmengine.logging import MMLogger
from mmengine.registry import init_default_scope
from mmseg.datasets.transforms import LoadAnnotations as HostLoadAnnotations
from PIL import Image

from mae_mm.config import check_data, read_config, settle
from mae_mm.config.labels import median_frequency
from mae_mm.datasets import CheckLabels, LoadAnnotations, SegmentationFolder
from mae_mm.datasets.labels import read_label, to_classes
from mae_mm.datasets.palette import default_palette
from mae_mm.errors import InputError

from .conftest import ROOT, run_inside
from .own_data import SHAPES
from .own_data import scenes as make_scenes

TRAIN, TEST = 'tools/train.py', 'tools/test.py'
COLOURS = [(0, 0, 0), (250, 40, 40), (40, 40, 250)]  # those of own_data's classes.txt
CONFIG = 'mae/upernet_folder'
TINY = {  # options that make the config's model the smallest
    'crop_size': (32, 48), 'max_iters': 2, 'batch_size': 4, 'patch_size': 8, 'width': 16, 'head_channels': 8,
    'depth': 6, 'model.backbone.arch': None, 'model.backbone.embed_dims': 16, 'model.backbone.num_layers': 6,
    'model.backbone.num_heads': 2, 'model.backbone.init_cfg': None,
    **{f'{split}_dataloader.{key}': value for split in ('train', 'val', 'test')
       for key, value in (('num_workers', 0), ('persistent_workers', False))}}


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / 'scenes'
    make_scenes(root)
    return root


@pytest.fixture
def told(monkeypatch):
    """The lines that a user is told."""
    lines = []
    for name in ('mae_mm.datasets.classes', 'mae_mm.datasets.segmentation', 'mae_mm.config.labels'):
        monkeypatch.setattr(f'{name}.tell', lambda message, level=logging.INFO: lines.append(message))
    return lines


def settled(folder, training=True, **options):
    cfg = read_config(CONFIG, {'data_root': str(folder), **options})
    loaders = ('train_dataloader', 'val_dataloader') if training else ('test_dataloader', )
    check_data(cfg, loaders)
    settle(cfg, loaders)
    return cfg


def arguments(folder, work_dir, **options):
    """The same options on the command line."""
    values = {**TINY, 'data_root': folder, **options}
    return ['--work-dir', work_dir, '--cfg-options', *(f'{key}={value}'.replace(' ', '')
                                                       for key, value in values.items())]


def change_labels(folder, change):
    """``change(path, values)`` of each label map; what it returns, an array or a PIL image, is saved in its place."""
    for path in sorted((folder / 'labels').rglob('*.png')):
        new = change(path, cv2.imread(str(path), cv2.IMREAD_UNCHANGED))
        (new if isinstance(new, Image.Image) else Image.fromarray(new)).save(path)


def as_rgb(path, values):
    return np.array(COLOURS, np.uint8)[values]


def as_palette(path, values, palette=(9, 9, 9, 200, 0, 0, 0, 0, 200)):
    image = Image.fromarray(values)
    image.putpalette(palette)
    return image


def split_up(folder, names=('train', 'val'), labels='labels'):
    for kind, new in (('images', 'images'), ('labels', labels)):
        (folder / kind).rename(folder / new)
        for i, path in enumerate(sorted((folder / new).iterdir())):
            (folder / new / names[i % 4 == 0]).mkdir(exist_ok=True)
            path.rename(folder / new / names[i % 4 == 0] / path.name)


def stems(folder, split, **settings):
    dataset = SegmentationFolder(data_root=str(folder), split=split, **settings)
    infos = [dataset.get_data_info(i) for i in range(len(dataset))]
    for info in infos:
        assert info['img_path'].rpartition('.')[0].endswith(
            info['seg_map_path'].rpartition('.')[0].rpartition('labels/')[2].rpartition('annotations/')[2])
    return [info['img_path'].rpartition('/images/')[2].rpartition('.')[0] for info in infos]


# Layouts


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
    (lambda root: [(root / f'{name}.txt').write_text(name) for name in ('train', 'val')], 'train is no image in'),
    (lambda root: [(root / f'{name}.txt').write_text('') for name in ('train', 'val')], 'no names there'),
    (lambda root: [path.unlink() for path in root.glob('*/*') if path.stem != '03'], 'one image, and two or more'),
    (lambda root: cv2.imwrite(f'{root}/labels/03.png', np.zeros((64, 60), np.uint8)),
     '03.png: 64x60 labels of an image of 64x80 pixels'),
    (lambda root: Image.fromarray(np.zeros((64, 80), np.float32)).save(root / 'labels/03.tif')
     or (root / 'labels/03.png').unlink(), '03.tif: a label map of floating-point numbers'),
    (lambda root: (root / 'labels/03.png').write_bytes(b'no image'), '03.png cannot be read as a label map'),
    (lambda root: cv2.imwrite(f'{root}/labels/03.png', np.full((64, 80), 7, np.uint8)),
     '03.png: label 7 is no class; classes are 0 to 2, and 255 is ignored'),
    (lambda root: cv2.imwrite(f'{root}/labels/03.png', np.full((64, 80), 256, np.uint16)),
     '03.png: label 256 is no class'),
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


# Classes


@pytest.mark.parametrize('name, text', [
    ('classes.txt', 'sky 1 2 3\nparked car\t4, 5, 6\n\ntype 2, 7 8 9\n'),
    ('classes.json', json.dumps(dict(classes=['sky', 'parked car', 'type 2'],
                                     palette=[[1, 2, 3], [4, 5, 6], [7, 8, 9]]))),
    ('classes.json', json.dumps({'sky': [1, 2, 3], 'parked car': [4, 5, 6], 'type 2': [7, 8, 9]})),
])
def test_classes_of_a_file(folder, name, text):
    (folder / 'classes.txt').unlink()
    (folder / name).write_text(text)
    found = SegmentationFolder.find_metainfo(data_root=str(folder))
    assert found['classes'] == ('sky', 'parked car', 'type 2')
    assert found['palette'] == [(1, 2, 3), (4, 5, 6), (7, 8, 9)]


@pytest.mark.parametrize('name, text, message', [
    ('classes.txt', 'a 1 2 3', 'needs two classes or more, and there is a'),
    ('classes.txt', '', 'needs two classes or more, and there is none'),
    ('classes.txt', 'a\nb\na\n', 'two classes have the name a'),
    ('classes.txt', 'a 1 2 3\nb 1 2 3\n', r'two classes have the colour \(1, 2, 3\)'),
    ('classes.txt', 'a 1 2 300\nb 1 2 3\n', '1, 2, 300 is no colour'),
    ('classes.txt', 'a 1 2 .5\nb 1 2 3\n', 'is no list of classes'),
    ('classes.txt', 'a 1 2 3\nb\n', 'b has no colour and others have one'),
    ('classes.txt', '\n'.join(map(str, range(256))), '256 classes; at most 255'),
    ('classes.json', '["a", "b"]', 'both name classes; keep one'),
    ('classes.json', '{"a"', 'is no list of classes'),
    ('classes.json', '[1, 2]', 'names of classes are text'),
])
def test_files_of_classes_that_cannot_be_used(folder, name, text, message):
    if 'both' not in message:
        (folder / 'classes.txt').unlink()
    (folder / name).write_text(text)
    with pytest.raises(InputError, match=message):
        SegmentationFolder.find_metainfo(data_root=str(folder))


def test_classes_of_the_labels_found(folder, told):
    (folder / 'classes.txt').unlink()
    found = SegmentationFolder.find_metainfo(data_root=str(folder))
    assert found == dict(classes=('0', '1', '2'), palette=list(default_palette(3)))
    assert told == [f'{folder}: no classes.txt; labels hold 0, 1, 2: 3 classes named 0, 1, 2']
    assert SegmentationFolder.find_metainfo(data_root=str(folder), reduce_zero_label=True)['classes'] == ('1', '2')
    change_labels(folder, as_palette)
    assert SegmentationFolder.find_metainfo(data_root=str(folder))['palette'] == [(9, 9, 9), (200, 0, 0), (0, 0, 200)]
    for values, message in ((lambda path, values: values * 60, 'labels hold 0, 60, 120: which classes'),
                            (lambda path, values: (values > 0).astype(np.uint8) * 255, 'write 1 in place of 255')):
        shutil.rmtree(folder)
        make_scenes(folder)
        (folder / 'classes.txt').unlink()
        change_labels(folder, values)
        with pytest.raises(InputError, match=message):
            SegmentationFolder.find_metainfo(data_root=str(folder))
    change_labels(folder, lambda path, values: values > 0)  # of one bit
    assert SegmentationFolder.find_metainfo(data_root=str(folder))['classes'] == ('0', '1')


def test_default_colours_are_fixed_and_differ():
    many = default_palette(255)
    assert len(set(many)) == 255 and (0, 0, 0) not in many and default_palette(9) == many[:9]


def test_heads_checks_and_pictures_have_the_classes_of_the_folder(folder, told):
    cfg = settled(folder)
    assert cfg.model.decode_head.num_classes == cfg.model.auxiliary_head.num_classes == 3
    assert cfg.val_dataloader.dataset.metainfo.classes == SHAPES
    assert cfg.val_dataloader.dataset.metainfo.palette == COLOURS
    assert any('3 classes: background, square, disc' in line for line in told)


def test_a_class_that_never_occurs_is_told(folder, told):
    (folder / 'classes.txt').write_text('\n'.join((*SHAPES, 'cat')))
    settled(folder)
    assert 'class cat never occurs in the 11 training label maps that were looked at: it cannot be learnt' in told


# Label formats


def test_formats_hold_the_same_labels(tmp_path):
    values = np.random.default_rng(0).integers(0, 3, (6, 7)).astype(np.uint8)
    files = dict(index=values, sixteen=values.astype(np.uint16), palette=as_palette('', values),
                 rgb=as_rgb('', values), alpha=np.dstack([as_rgb('', values), np.full_like(values, 255)]))
    for name, content in files.items():
        path = str(tmp_path / f'{name}.png')
        (content if isinstance(content, Image.Image) else Image.fromarray(content)).save(path)
        assert (to_classes(path, read_label(path), COLOURS) == values).all(), name
    Image.fromarray(values).save(tmp_path / 'a.tif', compression='tiff_lzw')
    np.save(tmp_path / 'a.npy', values.astype(np.int64))
    Image.fromarray(values > 0).save(tmp_path / 'bit.png')
    for name in ('a.tif', 'a.npy'):
        assert (read_label(str(tmp_path / name)) == values).all()
    assert (read_label(str(tmp_path / 'bit.png')) == (values > 0)).all()
    for bits in (2, 4):  # grey of fewer bits, which libraries stretch
        write_png(tmp_path / 'few.png', values, bits)
        assert (read_label(str(tmp_path / 'few.png')) == values).all()


def write_png(path, values, bits):
    def chunk(kind, content):
        return struct.pack('>I', len(content)) + kind + content + struct.pack('>I', zlib.crc32(kind + content))

    rows = b''
    for row in values:
        packed = ''.join(f'{value:0{bits}b}' for value in row)
        packed += '0' * (-len(packed) % 8)
        rows += b'\0' + bytes(int(packed[i:i + 8], 2) for i in range(0, len(packed), 8))
    path.write_bytes(b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', struct.pack('>IIBBBBB', *values.shape[::-1], bits, 0, 0, 0,
                                                                         0)) + chunk(b'IDAT', zlib.compress(rows))
                     + chunk(b'IEND', b''))


def load(path, **settings):
    return LoadAnnotations().transform(dict(seg_map_path=str(path), seg_fields=[], **settings))['gt_seg_map']


@pytest.mark.parametrize('reduce_zero_label', [False, True])
def test_bytes_are_read_as_the_host_reads_them(tmp_path, reduce_zero_label):
    values = np.arange(256, dtype=np.uint8).reshape(16, 16)
    values[values == 254] = 3
    cv2.imwrite(str(tmp_path / 'a.png'), values)
    results = dict(seg_map_path=str(tmp_path / 'a.png'), reduce_zero_label=reduce_zero_label)
    theirs = HostLoadAnnotations().transform(dict(results, seg_fields=[], label_map={2: 7}))
    ours = LoadAnnotations().transform(dict(results, seg_fields=[], label_map={2: 7}))
    assert (ours['gt_seg_map'] == theirs['gt_seg_map']).all() and ours['gt_seg_map'].dtype == np.uint8
    assert set(ours) == set(theirs) and ours['seg_fields'] == theirs['seg_fields']
    assert LoadAnnotations().transform(dict(img_path='x')) == dict(img_path='x')  # a prediction


def test_what_is_ignored(tmp_path):
    cv2.imwrite(str(tmp_path / 'a.png'), np.array([[0, 1, 2, 255]], np.uint8))
    assert load(tmp_path / 'a.png').tolist() == [[0, 1, 2, 255]]
    assert load(tmp_path / 'a.png', reduce_zero_label=True).tolist() == [[255, 0, 1, 255]]
    with pytest.raises(InputError, match='label 255 is no class, and not ignored: ignore_index=2'):
        load(tmp_path / 'a.png', ignore_index=2)
    cv2.imwrite(str(tmp_path / 'b.png'), np.array([[0, 1, 2, 65535]], np.uint16))
    assert load(tmp_path / 'b.png', ignore_index=65535).tolist() == [[0, 1, 2, 255]]
    with pytest.raises(InputError, match='label 65535 is no class; classes are 0 to 2, and 255 is ignored'):
        CheckLabels(3).transform(dict(gt_seg_map=load(tmp_path / 'b.png'), seg_map_path='b.png'))
    with pytest.raises(InputError, match='b.png: label 3 is no class; classes are 1 to 2, and 0 and 255 are ignored'):
        CheckLabels(2).transform(dict(gt_seg_map=np.array([[2]]), seg_map_path='b.png', reduce_zero_label=True))
    colours = np.array([[(0, 0, 0), (250, 40, 40), (9, 8, 7)]], np.uint8)
    Image.fromarray(colours).save(tmp_path / 'c.png')
    assert load(tmp_path / 'c.png', label_palette=COLOURS, ignore_index=[9, 8, 7]).tolist() == [[0, 1, 255]]
    assert load(tmp_path / 'c.png', label_palette=COLOURS[1:], ignore_index=[9, 8, 7],
                reduce_zero_label=True).tolist() == [[255, 0, 255]]
    with pytest.raises(InputError, match='c.png: colour 9 8 7 at row 0, column 2 is no class; the colours are'):
        load(tmp_path / 'c.png', label_palette=COLOURS)
    with pytest.raises(InputError, match='an RGB mask, and nothing says which .*it has 0 0 0, 9 8 7, 250 40 40'):
        load(tmp_path / 'c.png')


def test_kinds_of_files_that_are_refused(tmp_path):
    grey = np.zeros((4, 5), np.uint8)
    Image.fromarray(np.dstack([grey] * 4)).save(tmp_path / 'clear.png')
    cv2.imwrite(str(tmp_path / 'rgb16.png'), np.zeros((4, 5, 3), np.uint16))
    Image.fromarray(grey).save(tmp_path / 'pages.tif', save_all=True, append_images=[Image.fromarray(grey)])
    Image.fromarray(grey).save(tmp_path / 'white.tif', tiffinfo={262: 0})
    np.save(tmp_path / 'float.npy', grey.astype(float))
    for name, message in (('clear.png', 'transparent in places'), ('rgb16.png', 'of the kind RGB;16B'),
                          ('pages.tif', '2 pages in one file'), ('float.npy', r'shape \(4, 5\) and type float64'),
                          ('white.tif', '0 is white')):
        with pytest.raises(InputError, match=f'{name}: .*{message}'):
            read_label(str(tmp_path / name))


def test_a_size_is_compared_before_a_label_map_is_decoded(tmp_path):
    cv2.imwrite(str(tmp_path / 'a.png'), np.zeros((4, 5), np.uint8))
    with pytest.raises(InputError, match='a.png: 4x5 labels of an image of 8x5 pixels'):
        load(tmp_path / 'a.png', ori_shape=(8, 5))
    np.save(tmp_path / 'a.npy', np.zeros((4, 5), np.uint8))
    with pytest.raises(InputError, match='a.npy: 4x5 labels of an image of 8x5 pixels'):
        load(tmp_path / 'a.npy', ori_shape=(8, 5))


# Weights of classes


def test_weights_balance_by_median_frequency():
    counts = np.array([[90, 10, 0, 0], [80, 0, 20, 0]])
    assert median_frequency(counts).tolist() == pytest.approx([.2 / .85, .2 / .1, 1., 1.])  # frequencies .85 .1 .2
    assert median_frequency(np.zeros((2, 3), int)).tolist() == [1, 1, 1]


def test_class_weights_are_by_frequency_a_list_or_refused(folder, told):
    init_default_scope('mmseg')
    cfg = settled(folder, class_weight='frequency')
    dataset = SegmentationFolder(data_root=str(cfg.data_root), pipeline=[LoadAnnotations()])
    counts = [np.bincount(dataset[i]['gt_seg_map'].ravel(), minlength=3) for i in range(len(dataset))]
    for head in (cfg.model.decode_head, cfg.model.auxiliary_head):
        assert head.loss_decode.class_weight == pytest.approx(median_frequency(np.array(counts)), rel=1e-3)
    assert any(line.startswith('class weights by frequency: background 0.0') for line in told)
    assert settled(folder, training=False, class_weight='frequency').model.decode_head.loss_decode.class_weight is None
    assert settled(folder, class_weight=[1, 2, 3.5]).model.decode_head.loss_decode.class_weight == [1, 2, 3.5]
    for wrong, message in (([1, 2], 'has 2 numbers, and the data has 3 classes'), ('often', "'often' is neither"),
                           ([1, -2, 3], 'is neither')):
        with pytest.raises(InputError, match=message):
            settled(folder, class_weight=wrong)


# The whole road


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
    assert cv2.imread(str(written[0]), cv2.IMREAD_UNCHANGED).shape == (64, 80)
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
    assert error.endswith('label 5 is no class; classes are 0 to 2, and 255 is ignored')
    path.write_text(path.read_text().replace('num_classes=3', 'num_classes=11'))
    assert 'model.decode_head.num_classes=11, and the data has 3 classes (a, b, c)' in error_of(TRAIN, path, *options)


def test_sizes_are_compared_for_the_hosts_data_sets_too(error_of, config, scenes, tmp_path):
    shutil.copytree(scenes, tmp_path / 'data')
    cv2.imwrite(str(tmp_path / 'data/annotations/training/3.png'), np.zeros((32, 30), np.uint8))
    MMLogger._instance_dict.clear()
    error = error_of(TRAIN, config, '--work-dir', tmp_path / 'w', '--cfg-options', f'data_root={tmp_path}/data')
    assert error.endswith('3.png: 32x30 labels of an image of 32x32 pixels (height x width); both must have one size')
