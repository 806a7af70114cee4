"""The page in the browser: what it asks of models, without a browser; and as Gradio's blocks, if it is there."""
import sys
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

import mae_mm
from mae_mm import InputError
from mae_mm.apis import page as asked
from mae_mm.apis.page import Page
from mae_mm.cli.demo import models_of
from mae_mm.visualization.attention import heat
from mae_mm.visualization.page import Section, blocks_of


@pytest.fixture
def page(whole):
    return Page({'whole': whole})


@pytest.fixture
def photo(here):
    return str(here / 'photos/a.png')


def test_small_pictures_are_enlarged(page, photo, whole):
    view = page.view('whole', photo)
    assert view.shape == (256, 256, 3) and np.array_equal(view[::8, ::8], whole.views(photo)[0])


def test_reconstructions_are_the_models(page, photo, whole):
    visible, predicted, merged = page.reconstruction('whole', photo, 'block', .5, 3., 'true')
    result, = whole.reconstruct(photo, .5, 3, mask='block', statistics='true')
    for shown, expected in ((visible, result.visible), (predicted, result.predicted), (merged, result.reconstruction)):
        assert np.array_equal(shown[::8, ::8], expected)
    painted = np.zeros((256, 256, 4), np.uint8)
    with pytest.raises(InputError, match='nothing is painted yet'):
        page.reconstruction('whole', photo, 'painted', .5, 0, 'visible', painted)
    with pytest.raises(InputError, match='nothing is painted yet'):
        page.reconstruction('whole', photo, 'painted', .5, 0, 'visible')
    painted[:64] = 255
    visible, *_ = page.reconstruction('whole', photo, 'painted', .5, 0, 'visible', painted)
    assert (visible[:64] == 128).all() and np.array_equal(visible[64:], page.view('whole', photo)[64:])


def test_attention_is_of_the_patch_under_the_pointer(page, photo, whole):
    weights = whole.attention(photo, 1)[0]
    for place, query in ((None, 0), ((0, 0), 1), ((100, 70), 1 + 4 * 1 + 1), ((255, 255), 16), ((256, 256), 16)):
        picture = page.attention('whole', photo, 1, place)
        expected = heat(weights[:, query, 1:].mean(dim=0).view(4, 4).numpy())
        assert picture.shape == (256, 256, 3) and np.array_equal(picture[32::64, 32::64], expected)
    assert page.features('whole', photo, 1).shape == (256, 256, 3)


def test_a_segmentation_has_a_legend_with_shares(trained, tmp_path):
    photo = str(tmp_path / 'photo.png')
    cv2.imwrite(photo, np.random.default_rng(0).integers(256, size=(40, 48, 3)).astype(np.uint8))
    page = Page({'segmentor': mae_mm.load(trained[0] / 'iter_6.pth', device='cpu')})
    picture, rows = page.segmentation('segmentor', photo, 0.)
    image = cv2.imread(photo)[..., ::-1]
    assert picture.shape == (280, 336, 3) and np.array_equal(picture[::7, ::7], image)
    assert sum(share for *_, share in rows) == pytest.approx(100, abs=1)
    assert all(colour.startswith('#') and len(colour) == 7 for _, colour, _ in rows)
    assert [share for *_, share in rows] == sorted((share for *_, share in rows), reverse=True)


def test_what_the_page_refuses_is_a_message(page, photo, here, monkeypatch):
    section = Section(SimpleNamespace(update=lambda **told: told, skip=None), page, None, None, None)
    segment = section.told(lambda name, path, _: page.segmentation(name, path, .5), 2)
    *nothing, told = segment('whole', photo, 'a view')
    assert nothing == [None, None] and told['visible'] and 'is neither a classifier nor a segmentor' in told['value']
    assert segment('whole', None, None) == (None, None, dict(visible=False))
    view = section.told(lambda name, path, _: page.view(name, path))
    (here / 'notes.txt').write_text('no image')
    _, told = view('whole', str(here / 'notes.txt'), 'x')
    assert told['value'].startswith('notes.txt cannot be read as an image')  # without the folder of uploads
    picture, told = view('whole', photo, 'x')
    assert picture.shape == (256, 256, 3) and told == dict(visible=False)
    monkeypatch.setattr(asked, 'MOST_PIXELS', 100)
    assert '40x50 pixels are more than the 100' in view('whole', photo, 'x')[1]['value']
    monkeypatch.undo()
    monkeypatch.setattr(asked, 'MOST_PATCHES', 15)
    with pytest.raises(InputError, match='the model sees 32x32 pixels of it, more than the page takes'):
        page.attention('whole', photo, 0)


def test_the_command_line_names_models(tmp_path, monkeypatch):
    assert models_of(['a/b.pth', 'c.py', 'd/e.pth', 'knn/vit_knn_folder', 'f.pth']) == {
        'a/b.pth': ('a/b.pth', ), 'd/e.pth': ('c.py', 'd/e.pth'), 'f.pth': ('knn/vit_knn_folder', 'f.pth')}
    monkeypatch.chdir(tmp_path)
    for given, says in (([], '`make demo` before it'), (['c.py'], 'c.py is a config; give a checkpoint after it')):
        with pytest.raises(InputError, match=says):
            models_of(given)
    (tmp_path / 'work_dirs/demo/pretrain').mkdir(parents=True)
    (tmp_path / 'work_dirs/demo/pretrain/last_checkpoint').write_text('/x/y/epoch_2.pth')
    assert models_of([]) == {'y/epoch_2.pth': ('/x/y/epoch_2.pth', )}


def test_without_gradio_the_command_says_how_to_install_it(error_of, here, monkeypatch):
    monkeypatch.setitem(sys.modules, 'gradio', None)
    assert "the page needs Gradio; install it with: pip install 'gradio>=6'" in error_of('demo', here / 'whole.pth')


def test_the_blocks_are_built_where_gradio_is_installed(page, photo):
    pytest.importorskip('gradio')
    blocks = blocks_of(page, [photo])
    assert blocks.title == 'mae_mm' and len(blocks.fns) > 8
