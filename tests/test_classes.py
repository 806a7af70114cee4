"""Classes of a segmentation folder, their colours and their weights in the loss."""
import json
import os
import shutil

import numpy as np
import pytest

from mae_mm.config.labels import median_frequency
from mae_mm.datasets import LoadAnnotations, SegmentationFolder
from mae_mm.datasets.palette import default_palette
from mae_mm.errors import InputError

from .own_data import SHAPES
from .own_data import scenes as make_scenes
from .scene_tools import COLOURS, as_palette, change_labels, settled


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
    ('classes.txt', 'a 1 2 300\nb 1 2 3\n', '1, 2, 300 is not a colour'),
    ('classes.txt', 'a 1 2 .5\nb 1 2 3\n', 'is not a list of classes'),
    ('classes.txt', 'a 1 2 3\nb\n', 'b has no colour and others have one'),
    ('classes.txt', '\n'.join(map(str, range(256))), '256 classes; at most 255'),
    ('classes.json', '["a", "b"]', 'both name classes; keep one'),
    ('classes.json', '{"a"', 'is not a list of classes'),
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
    for values, message in ((lambda path, values: values * 60, 'labels hold 0, 60, 120: the classes are not clear'),
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


def test_weights_balance_by_median_frequency():
    counts = np.array([[90, 10, 0, 0], [80, 0, 20, 0]])
    assert median_frequency(counts).tolist() == pytest.approx([.2 / .85, .2 / .1, 1., 1.])  # frequencies .85 .1 .2
    assert median_frequency(np.zeros((2, 3), int)).tolist() == [1, 1, 1]


def test_class_weights_are_by_frequency_a_list_or_refused(folder, told):
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


def test_a_file_of_classes_that_is_no_file_is_told(folder):
    (folder / 'classes.txt').unlink()
    for make in (os.mkfifo, os.mkdir):
        make(folder / 'classes.txt')
        with pytest.raises(InputError, match='classes.txt is a .*, and a file is needed'):
            SegmentationFolder.find_metainfo(data_root=str(folder))
        (folder / 'classes.txt').rmdir() if (folder / 'classes.txt').is_dir() else (folder / 'classes.txt').unlink()
    (folder / 'classes.json').write_text('[' * 100_000)
    with pytest.raises(InputError, match='classes.json is not a list of classes'):
        SegmentationFolder.find_metainfo(data_root=str(folder))
