"""The page in the browser: what it asks of models, without a browser; and as Gradio's blocks, if it is there."""
import itertools
import sys
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch

import mae_mm
from mae_mm import MAE, InputError, MAEDecoder, MaskedAutoencoder
from mae_mm.apis import page as asked
from mae_mm.apis.page import Page
from mae_mm.cli.demo import models_of
from mae_mm.visualization.attention import heat
from mae_mm.visualization.page import Section, blocks_of

from .picture_weights import SIZES


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
    section = Section(SimpleNamespace(update=lambda **told: told), page, None, [], [])
    segment = section.told(lambda name, path: page.segmentation(name, path, .5), 2)
    *nothing, told = segment('whole', photo, 'a view')
    assert nothing == [None, None] and told['visible'] and 'is neither a classifier nor a segmentor' in told['value']
    for asked_of in (('whole', None, None), ('whole', photo, None), ('', photo, 'a view')):
        assert segment(*asked_of) == (None, None, dict(visible=False))
    view = section.told(page.view)
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


@pytest.fixture
def two(here, whole, tmp_path):
    """The model, and one that it is compared with, of other sizes."""

    def with_other(img_size=32, patch_size=8, options=None, **changes):
        sizes = dict(SIZES, img_size=img_size, patch_size=patch_size, **changes)
        torch.manual_seed(1)
        model = MaskedAutoencoder(MAE(**sizes), MAEDecoder(16, 1, 2))
        torch.save(model.state_dict(), tmp_path / 'other.pth')
        options = {'img_size': img_size, **{f'model.backbone.{name}': size for name, size in sizes.items()},
                   **(options or {})}
        other = mae_mm.load(here / 'config.py', tmp_path / 'other.pth', device='cpu', cfg_options=options)
        return Page({'whole': whole, 'other': other})

    return with_other


def reconstruction(page, name, photo, kind='random', **options):
    return page.reconstruction(name, photo, kind, .5, 3., 'visible', like='whole', **options)


def test_two_checkpoints_have_one_mask(two, photo):
    page = two()
    for kind in ('random', 'block', 'grid'):
        (visible, first, _), (others, second, _) = (reconstruction(page, name, photo, kind) for name in page.models)
        assert np.array_equal(visible, others) and not np.array_equal(first, second)
    painted = np.zeros((256, 256, 4), np.uint8)
    painted[:, :128] = 255
    for page in (two(patch_size=16), two(64)):  # of another grid, as only a painted mask may be
        with pytest.raises(InputError, match='other has (2x2|8x8) patches here, and whole has 4x4: only a mask'):
            reconstruction(page, 'other', photo)
        visible, *_ = reconstruction(page, 'other', photo, 'painted', painted=painted)
        hidden = (visible == 128).all(axis=2)
        assert hidden[:, :128].all() and not hidden[:, 128:].any()


def test_masks_that_two_checkpoints_cannot_share_are_refused(two, photo, here, whole):
    with pytest.raises(InputError, match='other and whole were trained with other blocks of hidden patches'):
        reconstruction(two(options={'model.mask_block': 2}), 'other', photo)
    cropped = two(options={'test_pipeline.1.scale': 64})
    for kind, painted in (('random', None), ('painted', np.full((256, 256, 4), 255, np.uint8))):
        with pytest.raises(InputError, match='other sees another part of the image than whole'):
            reconstruction(cropped, 'other', photo, kind, painted=painted)
    encoder = Page({'whole': mae_mm.load(here / 'encoder.pth', device='cpu'), 'other': whole})
    assert np.array_equal(reconstruction(encoder, 'other', photo)[0], reconstruction(two(), 'whole', photo)[0])
    with pytest.raises(InputError, match='has no decoder'):
        reconstruction(encoder, 'whole', photo)


def test_a_place_is_the_same_for_two_checkpoints(two, photo):
    page = two(72)  # 9 x 9 patches, where the first has 4 x 4; their pictures are 288 and 256 pixels wide
    weights = page.models['other'].attention(photo, 1)[0]
    picture = page.attention('other', photo, 1, (250, 100), like='whole')
    expected = heat(weights[:, 1 + 9 * 3 + 8, 1:].mean(dim=0).view(9, 9).numpy())
    assert picture.shape == (288, 288, 3) and np.array_equal(picture[16::32, 16::32], expected)
    cropped = two(options={'test_pipeline.1.scale': 64})
    with pytest.raises(InputError, match='other sees another part of the image than whole, where masks and places'):
        cropped.attention('other', photo, 1, (0, 0), like='whole')
    assert cropped.attention('other', photo, 1, like='whole').shape == (256, 256, 3)  # the class token has no place
    for ask in (page.features, page.attention):
        with pytest.raises(InputError, match='whole has no layer 3: its last one is 2'):
            ask('whole', photo, 3)


def test_what_takes_too_long_ends_and_what_is_asked_next_is_shown(page, photo, whole, monkeypatch):
    times = itertools.count()
    monkeypatch.setattr(asked.time, 'monotonic', lambda: next(times))
    page.seconds = 10
    for ask in (lambda: page.reconstruction('whole', photo, 'grid', .5, 0, 'visible'),
                lambda: page.features('whole', photo, 2), lambda: page.attention('whole', photo, 2)):
        with page.limited(), pytest.raises(InputError, match='this was stopped after 10 s; a smaller image takes'):
            ask()
    page.seconds = 1000
    with page.limited():
        shown = page.features('whole', photo, 2)
    assert np.array_equal(shown, page.features('whole', photo, 2))
    assert not any(module._forward_pre_hooks for module in whole.model.modules())  # nothing is left behind


def test_a_segmentor_that_takes_too_long_ends(trained, photo):
    page = Page({'segmentor': mae_mm.load(trained[0] / 'iter_6.pth', device='cpu')}, seconds=1e-9)
    with page.limited(), pytest.raises(InputError, match='this was stopped after 1e-09 s'):
        page.segmentation('segmentor', photo, .5)


def test_the_command_line_names_models(tmp_path, monkeypatch):
    assert models_of(['a/b.pth', 'c.py', 'd/e.pth', 'knn/vit_knn_folder', 'f.pth']) == {
        'a/b.pth': ('a/b.pth', ), 'd/e.pth': ('c.py', 'd/e.pth'), 'f.pth': ('knn/vit_knn_folder', 'f.pth')}
    assert models_of(['a/x/e.pth', 'b/x/e.pth', 'b/x/e.pth']) == {  # no two have one name
        'a/x/e.pth': ('a/x/e.pth', ), 'b/x/e.pth': ('b/x/e.pth', )}
    assert models_of(['c.py', 'e.pth', 'd.py', 'e.pth']) == {
        'c.py e.pth': ('c.py', 'e.pth'), 'd.py e.pth': ('d.py', 'e.pth')}
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


@pytest.mark.parametrize('seconds', ['0', '-1', 'nan'])
def test_a_limit_that_is_none_is_refused(error_of, here, seconds):
    assert f'--seconds {seconds} is not a number above 0' in error_of('demo', here / 'whole.pth', '--seconds', seconds)


@pytest.mark.parametrize('port', ['0', '-1', '65536'])
def test_a_port_that_is_none_is_refused_before_anything_is_loaded(error_of, port):
    assert f'--port {port} is not a port; they are 1 to 65535' in error_of('demo', 'nowhere.pth', '--port', port)


def test_the_blocks_are_built_where_gradio_is_installed(page, photo, whole):
    pytest.importorskip('gradio', reason='needs Gradio: make browser')
    one, two = (blocks_of(Page(models), [photo]) for models in (page.models, {'whole': whole, 'other': whole}))
    assert one.title == 'mae_mm' and len(one.fns) > 8
    labels = [{block.label for block in blocks.blocks.values() if hasattr(block, 'label')} for blocks in (one, two)]
    assert labels[1] - labels[0] == {'Compare with'}
