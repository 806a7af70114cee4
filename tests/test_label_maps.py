"""Label maps: every kind of file holds the same labels, or is refused."""
import struct
import zlib

import cv2
import numpy as np
import pytest
from mmseg.datasets.transforms import LoadAnnotations as HostLoadAnnotations
from PIL import Image

from mae_mm.datasets import CheckLabels, LoadAnnotations
from mae_mm.datasets.labels import read_label, to_classes
from mae_mm.errors import InputError

from .scene_tools import COLOURS, as_palette, as_rgb


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
    with pytest.raises(InputError, match='label 255 is not a class, and not ignored: ignore_index=2'):
        load(tmp_path / 'a.png', ignore_index=2)
    cv2.imwrite(str(tmp_path / 'b.png'), np.array([[0, 1, 2, 65535]], np.uint16))
    assert load(tmp_path / 'b.png', ignore_index=65535).tolist() == [[0, 1, 2, 255]]
    with pytest.raises(InputError, match='label 65535 is not a class; classes are 0 to 2, and 255 is ignored'):
        CheckLabels(3).transform(dict(gt_seg_map=load(tmp_path / 'b.png'), seg_map_path='b.png'))
    with pytest.raises(InputError, match='label 3 is not a class; classes are 1 to 2, and 0 and 255 are ignored'):
        CheckLabels(2).transform(dict(gt_seg_map=np.array([[2]]), seg_map_path='b.png', reduce_zero_label=True))
    colours = np.array([[(0, 0, 0), (250, 40, 40), (9, 8, 7)]], np.uint8)
    Image.fromarray(colours).save(tmp_path / 'c.png')
    assert load(tmp_path / 'c.png', label_palette=COLOURS, ignore_index=[9, 8, 7]).tolist() == [[0, 1, 255]]
    assert load(tmp_path / 'c.png', label_palette=COLOURS[1:], ignore_index=[9, 8, 7],
                reduce_zero_label=True).tolist() == [[255, 0, 255]]
    with pytest.raises(InputError, match='c.png: colour 9 8 7 at row 0, column 2 is not a class; the colours are'):
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
