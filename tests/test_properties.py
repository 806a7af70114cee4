"""Laws that hold for whatever one may give: shapes, masks, grids, files and settings, drawn by hypothesis."""
import math
from collections import OrderedDict
from tempfile import TemporaryDirectory

import numpy as np
import tifffile
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from mmengine.logging import HistoryBuffer
from PIL import Image

from mae_mm.checkpoint import read_checkpoint, write_checkpoint
from mae_mm.checkpoint.writing import from_plain, to_plain
from mae_mm.config import config_names, read_config
from mae_mm.config.reading import RUNNER_KEYS, VARIABLES
from mae_mm.datasets.labels import IGNORED, read_label, to_classes
from mae_mm.datasets.reading import header, read_bands
from mae_mm.errors import InputError
from mae_mm.models.masking import draw_order, hidden_mask, num_visible, order_of_sample
from mae_mm.models.patches import patches_beyond, patchify, take_patches, unpatchify
from mae_mm.models.position import bias_table_rows, resize_bias_table, resize_pos_embed

# The same examples in every run, and none kept between runs.
LAW = settings(derandomize=True, database=None, deadline=None, max_examples=30,
               suppress_health_check=[HealthCheck.too_slow])
sides = st.integers(1, 9)
grids = st.tuples(sides, sides)
seeds = st.integers(0, 2**32 - 1)


def drawn(seed, *shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@LAW
@given(grids, st.integers(1, 5), st.integers(1, 4), st.integers(1, 3), seeds)
def test_patches_of_any_rectangle_are_put_together_again(grid, patch, channels, batch, seed):
    (h, w), p = grid, patch
    images = drawn(seed, batch, channels, h * p, w * p)
    patches = patchify(images, p)
    assert patches.shape == (batch, h * w, p * p * channels)
    assert torch.equal(unpatchify(patches, p, grid), images)
    assert torch.equal(patchify(images.transpose(2, 3), p).flatten(1).sort().values,
                       patches.flatten(1).sort().values)
    ids = draw_order(batch, (h, w), images.device)
    assert torch.equal(take_patches(images, ids, p), torch.take_along_dim(patches, ids[..., None], 1))


@LAW
@given(grids, st.floats(-.5, 1.5), st.integers(1, 3), seeds)
def test_a_mask_parts_the_patches_in_two_or_is_refused(grid, ratio, batch, seed):
    patches = math.prod(grid)
    try:
        keep = num_visible(patches, ratio)
    except InputError as error:
        assert f'mask_ratio={ratio}' in str(error) and not 0 < int(patches * (1 - ratio)) < patches
        return
    torch.manual_seed(seed)
    for order in (draw_order(batch, (1, patches), torch.device('cpu')), order_of_sample(seed, (1, patches))[None]):
        assert torch.equal(order.sort().values, torch.arange(patches).expand_as(order))
        mask = hidden_mask(order, keep)
        for row, hidden in zip(order, mask, strict=True):
            assert hidden.sum() == patches - keep and not hidden[row[:keep]].any()


@LAW
@given(grids, st.integers(1, 6), st.lists(grids, min_size=1, max_size=3))
def test_patches_of_padding_are_those_that_hold_nothing(grid, patch, sizes):
    h, w = grid
    beyond = patches_beyond(sizes, grid, patch, torch.device('cpu'))
    for (height, width), row in zip(sizes, beyond, strict=True):
        rows, columns = (min(math.ceil(side / patch), most) for side, most in ((height, h), (width, w)))
        assert (~row).sum() == rows * columns


@LAW
@given(grids, grids, st.integers(1, 5), seeds)
def test_a_grid_resized_to_itself_is_the_identity(grid, other, width, seed):
    positions = drawn(seed, 1, 1 + math.prod(grid), width)
    table = drawn(seed, bias_table_rows(grid), width)
    assert torch.equal(resize_pos_embed(positions, grid, grid), positions)
    resized = resize_pos_embed(positions, grid, other)
    assert resized.shape == (1, 1 + math.prod(other), width) and torch.equal(resized[:, 0], positions[:, 0])
    for method in ('bicubic', 'geometric'):
        assert torch.equal(resize_bias_table(table, grid, grid, method), table)
        changed = resize_bias_table(table, grid, other, method)
        assert changed.shape == (bias_table_rows(other), width) and torch.equal(changed[-3:], table[-3:])


numbers = st.one_of(st.none(), st.booleans(), st.integers(-2**63, 2**63 - 1), st.floats(), st.text(max_size=5),
                    st.binary(min_size=1, max_size=5))
numpy_numbers = st.sampled_from([np.int64(3), np.float32(.5), np.bool_(True), np.uint8(255)])
tensors = st.builds(drawn, seeds, st.integers(0, 3), st.integers(0, 3))
histories = st.lists(st.floats(allow_nan=False), max_size=3).map(lambda log: HistoryBuffer(log, [1] * len(log)))
keys = st.one_of(st.text(max_size=5), st.integers(0, 9))


def dicts(values):
    return st.one_of(st.dictionaries(keys, values, max_size=3),
                     st.dictionaries(keys, values, max_size=3).map(OrderedDict))


values = st.recursive(numbers | tensors, lambda inner: st.one_of(
    dicts(inner), st.lists(inner, max_size=3), st.lists(inner, max_size=3).map(tuple)), max_leaves=8)


def same(one, other):
    """Equal in value and type, whatever the nesting; NaN equals itself."""
    if isinstance(one, dict):
        return type(one) is type(other) and list(one) == list(other) and all(same(one[k], other[k]) for k in one)
    if isinstance(one, (list, tuple)):
        return type(one) is type(other) and len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, HistoryBuffer):
        return all(np.array_equal(*pair) for pair in zip(one.data, other.data, strict=True))
    return type(one) is type(other) and (one == other or one != one)


@LAW
@given(dicts(values))
def test_what_a_checkpoint_holds_is_read_as_it_was_written(value):
    plain = to_plain(value)
    assert same(plain, value) and same(from_plain(plain), value)
    with TemporaryDirectory() as folder:
        write_checkpoint(plain, f'{folder}/a.pth')
        assert same(torch.load(f'{folder}/a.pth', weights_only=True), value)
        assert same(read_checkpoint(f'{folder}/a.pth'), value)


@LAW
@given(st.recursive(histories | numpy_numbers | numbers, dicts, max_leaves=6).filter(lambda v: isinstance(v, dict)))
def test_histories_come_back_from_any_depth(value):
    def of_python(value):
        if isinstance(value, dict):
            return type(value)((key, of_python(item)) for key, item in value.items())
        return value.item() if isinstance(value, np.generic) else value

    assert same(from_plain(to_plain(value)), of_python(value))


label_maps = arrays.arrays(st.sampled_from([np.uint8, np.uint16]), st.tuples(sides, sides))


@LAW
@given(label_maps, st.sampled_from(['png', 'tif', 'npy']))
def test_label_maps_are_read_as_they_were_written(labels, suffix):
    with TemporaryDirectory() as folder:
        path = f'{folder}/a.{suffix}'
        if suffix == 'npy':
            np.save(path, labels)
        else:
            Image.fromarray(labels).save(path)
        read = read_label(path)
    assert np.array_equal(read, labels)
    for reduced in (False, True):
        try:
            classes = to_classes('a', read, reduce_zero_label=reduced)
        except InputError:
            assert IGNORED + reduced in labels
            continue
        assert np.array_equal(classes == IGNORED, (labels == IGNORED) | (reduced & (labels == 0)))
        kept = classes != IGNORED
        assert np.array_equal(classes[kept].astype(int), labels[kept].astype(int) - reduced)


bands = arrays.arrays(st.sampled_from([np.uint8, np.uint16, np.int16, np.float32]),
                      st.tuples(sides, sides, st.integers(1, 6)),
                      elements=dict(allow_nan=False, allow_infinity=False))


@LAW
@given(bands, st.sampled_from(['tif', 'npy', 'png']), st.booleans())
def test_images_of_any_bands_are_read_as_they_were_written(pixels, suffix, apart):
    if suffix == 'png':
        pixels = pixels[..., :3 if pixels.shape[2] > 2 else 1].astype(np.uint8)
    with TemporaryDirectory() as folder:
        path = f'{folder}/a.{suffix}'
        if suffix == 'npy':
            np.save(path, pixels)
        elif suffix == 'png':
            Image.fromarray(pixels.squeeze(2) if pixels.shape[2] == 1 else pixels).save(path)
        else:
            stored = np.ascontiguousarray(pixels.transpose(2, 0, 1)) if apart else pixels
            planes = dict(planarconfig='separate' if apart else 'contig') if pixels.shape[2] > 1 else {}
            tifffile.imwrite(path, stored if planes else pixels[..., 0], photometric='minisblack', **planes)
        found, told = read_bands(path), header(path)
    assert found.dtype == pixels.dtype and np.array_equal(found, pixels)
    assert (told.height, told.width, told.channels, told.dtype) == (*pixels.shape, str(pixels.dtype))


def variables(name):
    """The names that a config and its bases assign, but those that runs read as they are."""
    return sorted(set(read_config(name)._cfg_dict) - (RUNNER_KEYS - VARIABLES) - {'data_root', 'work_dir'})


def other_than(value):
    """Values of the same kind."""
    if isinstance(value, bool):
        return st.just(not value)
    if isinstance(value, int):
        return st.integers(1, 999).filter(lambda other: other != value)
    if isinstance(value, float):
        return st.floats(1e-6, 1.).filter(lambda other: other != value)
    if isinstance(value, (list, tuple)) and value and all(isinstance(item, (int, float)) for item in value):
        return st.just([item + 1 for item in value])
    return st.sampled_from(['some', '/some/where', 'tiny']).filter(lambda other: other != value)


@settings(LAW, max_examples=16)
@given(st.data())
def test_any_variable_of_any_config_is_of_effect_or_refused(data):
    name = data.draw(st.sampled_from(config_names()))
    plain = read_config(name)
    key = data.draw(st.sampled_from(variables(name)))
    value = data.draw(other_than(plain[key]))
    try:
        changed = read_config(name, {key: value})
    except InputError as error:
        assert '\n' not in str(error)
        return
    read = [{key: value for key, value in cfg._cfg_dict.to_dict().items() if key in RUNNER_KEYS - VARIABLES}
            for cfg in (plain, changed)]
    assert read[0] != read[1], (name, key, value)
