"""Mean and deviation of bands, and pixels without data."""
import json
import re

import numpy as np
import pytest

from mae_mm.apis.statistics import Moments, folder_statistics
from mae_mm.cli import run
from mae_mm.datasets import LoadImage
from mae_mm.datasets.nodata import missing_values
from mae_mm.datasets.reading import read_bands
from mae_mm.errors import InputError
from mae_mm.visualization import read_rgb

from . import own_data
from .test_reading import FIVE, save


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


def test_statistics_of_another_folder_are_not_replaced(tmp_path, monkeypatch, error_of, capsys):
    monkeypatch.chdir(tmp_path)
    for name, images in (('a/train', FIVE), ('b/train', FIVE[..., :2])):
        (tmp_path / name).mkdir(parents=True)
        np.save(tmp_path / name / 'x.npy', images)
    assert stats('a/train') == stats('a/train') == 0
    said = error_of('stats', 'b/train')
    assert f'work_dirs/stats/train.json is of {tmp_path}/a/train; --out FILE.json' in said
    assert len(json.loads((tmp_path / 'work_dirs/stats/train.json').read_text())['mean']) == 5
    (tmp_path / 'own.json').write_text('{}')
    assert 'own.json is of something else' in error_of('stats', 'b/train', '--out', 'own.json')
    capsys.readouterr()
    assert stats('b/train', '--out', 'b.json', '--nodata', '-999') == 0
    assert '0 values without data are left out: none is -999.0; is that the value?' in capsys.readouterr().out


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
