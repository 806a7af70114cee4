"""Masks: drawn, painted; and the pictures of what is hidden by them."""
import itertools

import numpy as np
import pytest
import torch
from PIL import Image

from mae_mm import InputError
from mae_mm.apis.masks import drawn_order, hidden_patches, over_image, painted_mask, painted_order
from mae_mm.models.masking import block_order, grid_order, hidden_mask, num_visible, order_of_sample
from mae_mm.models.patches import neighbour_statistics, patch_statistics, patchify
from mae_mm.visualization.reconstruction import reconstruction_pictures, to_bytes

from .test_pretrainer import autoencoder, orders

GRIDS = [(14, 14), (3, 8), (1, 5), (7, 5)]


@pytest.mark.parametrize('kind, grid, ratio', itertools.product(('random', 'block', 'grid'), GRIDS, (.5, .75)))
def test_every_order_is_a_permutation_and_follows_from_its_seed(kind, grid, ratio):
    keep = num_visible(grid[0] * grid[1], ratio)
    order = drawn_order(kind, 3, 1, grid, keep)
    assert torch.equal(order.sort().values, torch.arange(grid[0] * grid[1]))
    assert torch.equal(order, drawn_order(kind, 3, 1, grid, keep))
    others = [drawn_order(kind, *other, grid, keep) for other in itertools.product(range(4), (0, 2))]
    same = [torch.equal(order[:keep].sort().values, other[:keep].sort().values) for other in others]
    assert all(same) if kind == 'grid' else not all(same)


def test_random_orders_are_those_of_samples():
    assert torch.equal(drawn_order('random', 5, 0, (4, 4), 4), order_of_sample(5, (4, 4)))


def test_a_grid_shows_one_of_each_two_by_two():
    for grid in ((14, 14), (6, 10)):
        h, w = grid
        mask = hidden_mask(grid_order(grid)[None], h * w // 4).view(h // 2, 2, w // 2, 2)
        assert (mask.sum(dim=(1, 3)) == 3).all() and not mask[:, 0, :, 0].any()
        assert (hidden_mask(grid_order(grid)[None], h * w // 2).view(h // 2, 2, w // 2, 2).sum(dim=(1, 3)) == 2).all()


def test_blocks_are_together():
    def neighbours(mask):  # pairs of patches side by side that are both hidden
        return int((mask[1:] & mask[:-1]).sum() + (mask[:, 1:] & mask[:, :-1]).sum())

    for seed in range(5):
        block = hidden_mask(block_order((14, 14), 98, seed)[None], 98).view(14, 14)
        random = hidden_mask(order_of_sample(seed, (14, 14))[None], 98).view(14, 14)
        assert block.sum() == random.sum() == 98 and neighbours(block) > 1.3 * neighbours(random)


# statistics of what is hidden

def test_visible_patches_have_their_own_statistics_and_the_hidden_ones_a_mean_of_these():
    patches = torch.randn(2, 12, 48) * torch.rand(2, 12, 1) + torch.randn(2, 12, 1)
    mask = hidden_mask(orders(2, 12), 4)
    mean, std = patch_statistics(patches)
    means, stds = neighbour_statistics(patches, mask, (3, 4))
    assert torch.equal(means[~mask], mean[~mask]) and torch.equal(stds[~mask], std[~mask])
    for own, guessed in ((mean, means), (std, stds)):
        for row, hidden, values in zip(own, mask, guessed, strict=True):
            assert (row[~hidden].min() - 1e-5 <= values[hidden]).all()
            assert (values[hidden] <= row[~hidden].max() + 1e-5).all()
    others = torch.where(mask[..., None], torch.full_like(patches, 99.), patches)
    assert torch.equal(neighbour_statistics(others, mask, (3, 4))[0], means)  # nothing of the hidden ones is used


def test_the_nearest_visible_patch_counts_most():
    patches = torch.randn(1, 24, 12)
    mask = torch.ones(1, 24, dtype=torch.bool)
    mask[0, [0, 23]] = False  # the corners of a 4x6 grid
    mean, _ = patch_statistics(patches)
    means, _ = neighbour_statistics(patches, mask, (4, 6))
    for place, near in ((1, 0), (6, 0), (22, 23), (17, 23)):
        torch.testing.assert_close(means[0, place], mean[0, near], atol=1e-4, rtol=0)
    mask[0, 23] = True
    torch.testing.assert_close(neighbour_statistics(patches, mask, (4, 6))[0], mean[:, :1].expand(-1, 24, -1))


def test_the_picture_of_normalised_patches_knows_nothing_of_the_hidden_ones_unless_it_says_so():
    model = autoencoder(img_size=(16, 40)).eval()
    images, ids = torch.randn(2, 3, 16, 40), orders(2, 10)
    mask = hidden_mask(ids, 3).view(2, 2, 5)
    pixels = mask.repeat_interleave(8, 1).repeat_interleave(8, 2)[:, None]
    changed = torch.where(pixels, torch.randn(2, 3, 16, 40) + 1, images)
    for statistics, same in (('visible', True), ('true', False)):
        one, two = (reconstruction_pictures(model, given, ids, 3, statistics=statistics)
                    for given in (images, changed))
        for first, second, hidden in zip(one, two, pixels[:, 0].numpy(), strict=True):
            assert np.array_equal(first.predicted, second.predicted) == same
            assert np.array_equal(first.reconstruction, second.reconstruction) == same
            assert np.array_equal(first.reconstruction[~hidden], first.image[~hidden])
            assert np.array_equal(first.reconstruction[hidden], first.predicted[hidden])
            assert np.array_equal(first.visible[~hidden], first.image[~hidden])
            assert (first.visible[hidden] == 128).all()


@pytest.mark.parametrize('norm_pix', [True, False])
def test_with_the_true_statistics_the_picture_is_the_models(norm_pix):
    model = autoencoder(norm_pix=norm_pix).eval()
    images, ids = 50 * torch.randn(2, 3, 32, 32) + 100, orders(2, 16)
    for keep in (4, 9):
        done = model.reconstruct(images, ids_shuffle=ids, num_keep=keep)
        assert done.mask.sum() == 2 * (16 - keep)
        pictures = reconstruction_pictures(model, images, ids, keep, statistics='true')
        assert np.array_equal(np.stack([part.reconstruction for part in pictures]), to_bytes(model, done.images))
        if not norm_pix:
            other = reconstruction_pictures(model, images, ids, keep)
            assert all(np.array_equal(a.predicted, b.predicted) for a, b in zip(pictures, other, strict=True))
    usual = model.reconstruct(images, ids_shuffle=ids)
    assert torch.equal(usual.images, model.reconstruct(images, ids_shuffle=ids, num_keep=4).images)
    assert patchify(usual.images, 8).shape == usual.pred.shape


# painted masks

def test_white_is_hidden_in_whatever_a_mask_comes(tmp_path):
    array = np.zeros((8, 12), np.uint8)
    array[:, 6:] = 255
    expected = array / 255
    opaque = np.dstack([np.full((8, 12, 3), 255, np.uint8), array])  # white all over, transparent at the left
    for name, picture in (('grey', array), ('rgb', np.dstack([array] * 3)), ('alpha', opaque)):
        Image.fromarray(picture).save(tmp_path / f'{name}.png')
        for given in (tmp_path / f'{name}.png', str(tmp_path / f'{name}.png'), Image.open(tmp_path / f'{name}.png'),
                      picture):
            np.testing.assert_allclose(painted_mask(given), expected)
    Image.fromarray(array.astype(np.uint16) * 257).save(tmp_path / 'deep.png')
    for given in (tmp_path / 'deep.png', array > 0, expected, torch.from_numpy(expected)):
        np.testing.assert_allclose(painted_mask(given), expected)


@pytest.mark.parametrize('given, says', [
    ('none.png', 'none.png'), (np.zeros((2, 3, 5)), r'shape \(2, 3, 5\)'), (np.array(['a']), 'a mask is a picture'),
    (np.full((4, 4), 3.), 'values of 3 to 3; a mask of floats is 0 to 1'), (np.zeros((0, 4)), r'shape \(0, 4, 1\)')],
    ids=str)
def test_what_is_no_mask_is_told(given, says):
    with pytest.raises(InputError, match=says) as told:
        painted_mask(given)
    assert '\n' not in str(told.value)


def test_a_patch_is_hidden_where_most_of_it_is_white():
    painted = np.zeros((16, 24), np.float32)
    painted[:8, :13] = 1  # the first patch and 5 of 8 columns of the second
    hidden = hidden_patches(torch.from_numpy(painted), (2, 3))
    assert hidden.tolist() == [[True, True, False], [False] * 3]
    order, keep = painted_order(hidden)
    assert keep == 4 and torch.equal(hidden_mask(order[None], keep).view(2, 3), hidden)
    for wrong in (torch.zeros(2, 3), torch.ones(2, 3)):
        with pytest.raises(InputError, match=r'hides [06] of 6 patches'):
            painted_order(wrong.bool())


def test_a_mask_of_the_images_shape_is_scaled_to_it():
    painted = np.zeros((10, 15), np.float32)
    painted[:, :6] = 1
    scaled = over_image(painted, (40, 60))
    assert scaled.shape == (40, 60) and (scaled[:, :24] == 1).all() and not scaled[:, 24:].any()
    assert over_image(painted, (40, 40)) is None and over_image(painted, (39, 60)) is not None
