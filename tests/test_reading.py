"""Image files: read as they are stored, photographs as ever, and what is no image told in a line."""
import os
import struct

import cv2
import mmcv
import numpy as np
import pytest
import tifffile
from PIL import Image

from mae_mm.apis.inputs import images_in
from mae_mm.datasets import ImageFolder, LoadImage, base
from mae_mm.datasets.files import files_in
from mae_mm.datasets.labels import read_label
from mae_mm.datasets.reading import header, read_bands
from mae_mm.errors import InputError
from mae_mm.visualization import read_rgb

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


def test_folders_take_all_known_images_and_tell_the_others(tmp_path, monkeypatch):
    said = []
    monkeypatch.setattr(base, 'print_log', lambda text, **_: said.append(text))
    for name in ('a.webp', 'b.tiff', 'c.npy', 'd.JPG', 'e.heic', 'f.GIF', 'g.gif', 'notes.txt'):
        (tmp_path / name).write_bytes(b'')
    assert len(ImageFolder(data_root=str(tmp_path))) == 4
    assert len(ImageFolder(data_root=str(tmp_path))) == 4
    assert len(said) == 1 and said[0].startswith(f'{tmp_path}: left out 2 .gif, 1 .heic; known are .jpg, ')


def test_what_is_no_file_is_listed_and_refused_before_it_is_opened(tmp_path):
    os.mkfifo(tmp_path / 'pipe.png')  # opening it would wait for ever
    (tmp_path / 'loop.png').symlink_to('loop.png')
    (tmp_path / 'lost.png').symlink_to('nowhere.png')
    (tmp_path / 'zero.png').symlink_to('/dev/zero')
    (tmp_path / 'folder.png').mkdir()
    said = {'pipe.png': 'is a pipe or a device, and a file is needed', 'loop.png': 'Too many levels of symbolic links',
            'lost.png': 'a link that leads nowhere', 'zero.png': 'is a pipe or a device'}
    assert set(files_in(str(tmp_path))) == set(said)
    for name, message in said.items():
        path = str(tmp_path / name)
        for read in (header, read_bands, LoadImage(), read_label, lambda path: list(images_in([path]))):
            with pytest.raises(InputError, match=f'{name} .*{message}'):
                read(path)
    assert len(ImageFolder(data_root=str(tmp_path))) == len(said)
    with pytest.raises(InputError, match='embedded null byte'):
        header('a\0b.png')
