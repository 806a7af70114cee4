"""Pictures of what a model does: reconstructions, features, attention."""
import re

import cv2
import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

import mae_mm
from mae_mm import InputError
from mae_mm.apis import pictures
from mae_mm.models.position import bias_table_rows, relative_position_bias
from mae_mm.visualization.attention import attention_panels, bias_panels
from mae_mm.visualization.features import pca_colours
from mae_mm.visualization.panels import Panel, panels_png


def shape_of(png: bytes) -> tuple[int, ...]:
    return cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR).shape


# a model of the weights alone

def test_weights_that_tell_their_sizes_need_no_config(here, whole):
    photos = here / 'photos'
    told = mae_mm.load(here / 'config.py', here / 'whole.pth', device='cpu')
    assert torch.equal(whole.features(photos), told.features(photos))
    for one, two in zip(whole.reconstruct(photos), told.reconstruct(photos), strict=True):
        assert np.array_equal(one.predicted, two.predicted) and np.array_equal(one.image, two.image)
    encoder = mae_mm.load(here / 'encoder.pth', device='cpu')
    assert torch.equal(encoder.features(photos), whole.features(photos))
    assert torch.equal(encoder.attention(photos)[0], whole.attention(photos)[0])
    for call, says in ((encoder.reconstruct, 'encoder.pth has no decoder'), (encoder.predict, 'neither a classifier')):
        with pytest.raises(InputError, match=says):
            call(photos)
    biased = mae_mm.load(here / 'biased.pth', device='cpu')
    assert biased.model.backbone.rel_pos_bias and biased.features(photos).shape == (3, 16)


def test_weights_that_tell_too_little_say_what_is_missing(here, whole, tmp_path):
    state = whole.model.state_dict()

    def error(change, call=lambda model: None) -> str:
        changed = state.copy()
        changed._metadata = {key: dict(facts) for key, facts in state._metadata.items()}
        change(changed)
        torch.save(changed, tmp_path / 'w.pth')
        with pytest.raises(InputError) as told:
            call(mae_mm.load(tmp_path / 'w.pth', device='cpu'))
        assert '\n' not in str(told.value)
        return str(told.value)

    assert 'number of attention heads' in error(lambda s: s._metadata['decoder'].pop('num_heads'))
    assert 'normalised patches' in error(lambda s: s._metadata[''].pop('norm_pix'),
                                         lambda model: model.reconstruct(here / 'photos'))

    def of_five_bands(s):
        s['backbone.patch_embed.projection.weight'] = torch.zeros(16, 5, 8, 8)

    assert '5 bands, whose statistics' in error(of_five_bands)

    def with_a_head(s):
        s['head.fc.weight'], s['head.fc.bias'] = torch.zeros(3, 16), torch.zeros(3)

    assert 'holds no config; give the config of its model before it' in error(with_a_head)


# reconstructions

def test_a_painted_mask_goes_the_way_of_its_image(here, whole):
    photo = here / 'photos/a.png'  # 40 x 50, scaled to 36 x 45, of which the model sees the middle 32
    painted = np.zeros((40, 50), np.uint8)
    painted[:, :25] = 255
    expected = np.repeat([[True, True, False, False]], 4, axis=0)
    half = cv2.resize(painted, (25, 20), interpolation=cv2.INTER_NEAREST)
    for mask in (painted, half, np.repeat(np.repeat(expected, 8, 0), 8, 1)):
        assert np.array_equal(whole.reconstruct(photo, mask=mask)[0].mask, expected)
    with pytest.raises(InputError, match=r'mask is 30x30 pixels, .*a.png is 40x50, and the model sees 32x32'):
        whole.reconstruct(photo, mask=painted[:30, :30])


def test_a_mask_may_hide_another_number_of_patches_of_each_image(here, whole):
    one, two = np.zeros((2, 40, 50, 3), np.uint8), np.zeros((40, 40, 3), np.uint8)
    painted = np.zeros((32, 32), bool)
    painted[:8] = True
    done = whole.reconstruct([*one, two], mask=painted)
    assert [int(result.mask.sum()) for result in done] == [4, 4, 4]
    square = np.zeros((80, 80), bool)
    square[:21] = True  # 10.5 of 40 rows, 9.45 of 36, of which 2 are cut off
    assert whole.reconstruct(two, mask=square)[0].mask.sum() == 4


def test_masks_of_a_kind_hide_their_share(here, whole):
    for kind in ('random', 'block', 'grid'):
        done, again, other = (whole.reconstruct(here / 'photos', mask=kind, seed=seed, mask_ratio=.5)
                              for seed in (0, 0, 1))
        assert [result.mask.sum() for result in done] == [8, 8, 8]
        assert all(np.array_equal(a.mask, b.mask) for a, b in zip(done, again, strict=True))
        assert all(np.array_equal(a.mask, b.mask) for a, b in zip(done, other, strict=True)) == (kind == 'grid')
    assert whole.model.mask_ratio == .75


def test_what_cannot_be_reconstructed_is_told(here, whole):
    photos = here / 'photos'
    for options, says in ((dict(mask='rnadom'), 'rnadom'), (dict(statistics='mean'), "statistics='mean' is neither"),
                          (dict(mask=np.ones((32, 32)), mask_ratio=.5), 'mask_ratio has no effect'),
                          (dict(mask=np.ones((32, 32))), 'hides 16 of 16 patches'),
                          (dict(mask_ratio=0.), 'mask_ratio=0.0')):
        with pytest.raises(InputError, match=re.escape(says)):
            whole.reconstruct(photos, **options)


def test_the_view_is_the_image_of_a_reconstruction(here, whole):
    views = whole.views(here / 'photos')
    assert all(np.array_equal(view, result.image)
               for view, result in zip(views, whole.reconstruct(here / 'photos'), strict=True))


# features as colours

def test_components_are_those_of_scikit_learn():
    maps = [torch.randn(8, 3, 4) * torch.arange(1., 9)[:, None, None], torch.randn(8, 2, 2)]
    colours, shares = pca_colours(maps)
    rows = torch.cat([part.flatten(1).T for part in maps]).numpy()
    np.testing.assert_allclose(shares, PCA(3).fit(rows).explained_variance_ratio_, rtol=1e-5)
    assert [part.shape for part in colours] == [(3, 4, 3), (2, 2, 3)] and colours[0].dtype == np.uint8


def test_all_images_have_one_basis_and_the_first_component_is_lightness():
    feature = torch.randn(8)
    ramp = torch.linspace(-1, 1, 20)
    one = feature[:, None, None] * ramp.reshape(1, 4, 5)
    (first, second), shares = pca_colours([one, one.flip(1)])
    assert np.array_equal(first, second[::-1])
    lightness = cv2.cvtColor(first, cv2.COLOR_RGB2LAB)[..., 0].ravel().astype(int)
    steps = np.diff(lightness)
    assert ((steps >= 0).all() or (steps <= 0).all()) and np.ptp(lightness) > 120
    assert shares[0] == pytest.approx(1)


def test_features_without_variance_are_one_colour():
    for maps in ([torch.zeros(8, 2, 2)], [torch.ones(2, 3, 3)], [torch.ones(4, 1, 1)]):
        colours, shares = pca_colours(maps)
        assert len(np.unique(colours[0].reshape(-1, 3), axis=0)) == 1 and all(share == 0 for share in shares)


# attention

def test_panels_of_attention_are_rows_of_its_weights():
    weights = torch.rand(9, 14, 14).softmax(-1)
    image = np.zeros((24, 32, 3), np.uint8)
    rows = attention_panels(image, weights, 2 + 7, (3, 4), 2, name='x')
    panels = [panel for row in rows for panel in row]
    assert [len(row) for row in rows] == [6, 5] and panels[0].title == 'x'
    assert panels[0].marked == (8, 24, 8, 8)  # patch 7 is in row 1, column 3
    np.testing.assert_allclose(panels[4].values, weights[2, 9, 2:].view(3, 4))
    np.testing.assert_allclose(panels[1].values, weights.mean(0)[9, 2:].view(3, 4), rtol=1e-5)
    (only, ), = [attention_panels(image, weights, 0, (3, 4), 2, heads=[3])]
    assert only[0].marked is None and len(only) == 3 and only[2].title.startswith('head 3, ')


def test_the_middle_of_a_bias_is_the_patch_that_looks():
    grid = 3, 5
    table = torch.randn(bias_table_rows(grid), 2)
    (panels, ), largest = bias_panels(table, grid)
    spread = relative_position_bias(table, grid, grid).spread()[0]
    for looks in range(15):
        y, x = divmod(looks, 5)
        for head in range(2):
            seen = panels[head].values[2 - y:5 - y, 4 - x:9 - x]
            np.testing.assert_allclose(seen, spread[head, 1 + looks, 1:].view(3, 5))
    assert largest == table[:-3].abs().max() and panels[0].limits == (-largest, largest)
    assert bias_panels(torch.zeros_like(table), grid)[1] > 0


# sheets

def test_sheets_are_800_pixels_wide_whatever_is_in_them():
    values, image = np.random.default_rng(0).random((4, 6)), np.zeros((30, 3, 3), np.uint8)
    for rows in ([[Panel('$a_1$ \u98a8', image)]], [[Panel('x' * 200, values)] * 9, [Panel('', values)]]):
        assert shape_of(panels_png(rows, 'heading $x\n' + 'word ' * 100))[1] == 800


def test_a_title_may_hold_a_name_of_any_bytes():
    panel, same = (Panel(title, np.zeros((8, 8))) for title in ('m\udcff.png', r'm\udcff.png'))
    assert panels_png([[panel]], 'of a\udcff') == panels_png([[same]], r'of a\udcff')


def test_sheets_say_checkpoint_and_settings(here, whole, monkeypatch):
    said = []
    monkeypatch.setattr(pictures, 'panels_png', lambda rows, heading: said.append((rows, heading)))
    photos = here / 'photos'
    pictures.reconstruction_sheet(whole, photos, 'block', .5, 3, 'true', pictures=2)
    rows, heading = said[-1]
    assert [len(row) for row in rows] == [4, 4] and 'the TRUE mean' in heading and heading.startswith(
        f'{here.name}/whole.pth\n50 % of 4x4 patches hidden (blocks, seed 3); the first 2 of 3 images')
    pictures.reconstruction_sheet(whole, photos)
    assert 'of the visible patches around' in said[-1][1] and 'first' not in said[-1][1]
    pictures.attention_sheet(whole, photos, [0, -1], (1, 2), heads=[1])
    rows, heading = said[-1]
    assert len(rows) == 6 and 'layers 0, 2 (of 0 to 2): attention of patch 1, 2' in heading
    weights = whole.attention(photos, 0)[1][1, 1 + 6, 1:].view(4, 4)
    np.testing.assert_allclose(rows[2][2].values, weights)
    monkeypatch.setattr(pictures, 'MOST_WEIGHTS', 2 * 17**2 - 1)
    with pytest.raises(InputError, match='a.png: the model sees 17 tokens of it'):
        pictures.attention_sheet(whole, photos)
    pictures.pca_sheet(whole, photos, 1)
    assert 'layer 1 (of 0 to 2)' in said[-1][1] and [len(row) for row in said[-1][0]] == [4, 2]
    pictures.bias_sheet(mae_mm.load(here / 'biased.pth', device='cpu'), [0, 1])
    assert [row[0].title for row in said[-1][0]] == ['layer 0, head 0', 'layer 1, head 0']
