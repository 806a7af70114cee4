"""Positions: laws first, then the official figures."""
import numpy as np
import pytest
import torch

from mae_mm.models import position

from . import official


def test_resizing_a_grid_to_itself_is_the_identity():
    rows = torch.randn(12, 5)
    assert position.resize_grid(rows, (3, 4), (3, 4)) is rows
    table = torch.randn(position.bias_table_rows((3, 4)), 2)
    for method in ('bicubic', 'geometric'):
        assert position.resize_bias_table(table, (3, 4), (3, 4), method) is table


def test_resizing_commutes_with_transposing():
    rows = torch.randn(3, 4, 5)
    there = position.resize_grid(rows.reshape(12, 5), (3, 4), (6, 7)).reshape(6, 7, 5)
    transposed = position.resize_grid(rows.transpose(0, 1).reshape(12, 5), (4, 3), (7, 6)).reshape(7, 6, 5)
    torch.testing.assert_close(there.transpose(0, 1), transposed)


def test_class_rows_are_never_resized():
    table = torch.randn(position.bias_table_rows((4, 4)), 2)
    resized = position.resize_bias_table(table, (4, 4), (6, 3))
    assert resized.shape == (position.bias_table_rows((6, 3)), 2)
    assert torch.equal(resized[-3:], table[-3:])
    pos_embed = torch.randn(1, 17, 8)
    resized = position.resize_pos_embed(pos_embed, (4, 4), (6, 3))
    assert resized.shape == (1, 19, 8) and torch.equal(resized[:, 0], pos_embed[:, 0])


def test_a_constant_stays_constant():
    resized = position.resize_grid(torch.full((16, 2), 3.), (4, 4), (5, 9))
    torch.testing.assert_close(resized, torch.full((45, 2), 3.))


@pytest.mark.parametrize('grid', [(3, 3), (2, 5)], ids=['square', 'rectangle'])
def test_bias_depends_on_the_offset_alone(grid):
    h, w = grid
    offsets = torch.arange(2 * h - 1)[:, None] * 100 + torch.arange(2 * w - 1)  # (row, column) of an offset
    table = torch.cat([offsets.flatten(), torch.tensor([-1, -2, -3])])[:, None].float()
    bias = position.relative_position_bias(table, grid, grid).spread()[0, 0]
    assert bias[0, 0] == -3 and (bias[0, 1:] == -1).all() and (bias[1:, 0] == -2).all()
    for i in range(h * w):
        for j in range(h * w):
            rows, columns = i // w - j // w, i % w - j % w
            assert bias[1 + i, 1 + j] == (rows + h - 1) * 100 + columns + w - 1


def test_bias_gradient_reaches_every_row_of_the_table():
    table = torch.zeros(position.bias_table_rows((3, 4)), 2, requires_grad=True)
    position.relative_position_bias(table, (3, 4), (3, 4)).spread().sum().backward()
    assert table.grad.sum() == 13 * 13 * 2 and (table.grad > 0).all()


def test_sincos_is_the_official_table():
    """facebookresearch/mae, util/pos_embed.py, get_2d_sincos_pos_embed(8, 3, cls_token=True), recomputed here."""
    ours = position.sincos_position(8, (3, 3))[0].numpy()
    assert ours.shape == (10, 8) and not ours[0].any()
    for row in range(3):
        for column in range(3):
            expected = [function(x * omega) for x in (column, row) for function in (np.sin, np.cos)
                        for omega in (1, .01)]
            np.testing.assert_array_equal(ours[1 + 3 * row + column], np.array(expected, dtype=np.float32))


def test_sincos_refuses_a_width_that_it_cannot_divide():
    with pytest.raises(ValueError, match='multiple of 4, not 10'):
        position.sincos_position(10, (2, 2))


def test_positions_are_resized_as_by_the_official_interpolate_pos_embed():
    source = torch.randn(1, 197, 8, generator=torch.Generator().manual_seed(7))
    resized = position.resize_pos_embed(source, (14, 14), (32, 32))[0, official.POSITION_ROWS, :5]
    torch.testing.assert_close(resized, torch.tensor(official.POSITIONS), rtol=0, atol=1e-6)


def test_bias_tables_are_resized_geometrically_as_by_beit():
    source = torch.randn(172, 2, generator=torch.Generator().manual_seed(9))
    resized = position.resize_bias_table(source, (7, 7), (16, 16), 'geometric')
    torch.testing.assert_close(resized[official.BIAS_ROWS], torch.tensor(official.BIASES), rtol=0, atol=1e-5)
    assert torch.equal(resized[-3:], source[-3:])


@pytest.mark.parametrize('source, target', [((3, 5), (8, 5)), ((6, 4), (3, 2)), ((1, 4), (2, 4)), ((2, 2), (1, 40))])
def test_geometric_resizing_keeps_small_offsets_and_commutes_with_transposing(source, target):
    rows, columns = position.offset_grid(source)
    values = torch.randn(rows, columns, 2)
    there = position.resize_grid_geometrically(values.reshape(-1, 2), (rows, columns), position.offset_grid(target))
    there = there.reshape(*position.offset_grid(target), 2)
    assert torch.isfinite(there).all()
    torch.testing.assert_close(there[target[0] - 1, target[1] - 1], values[source[0] - 1, source[1] - 1])  # offset 0
    transposed = position.resize_grid_geometrically(values.transpose(0, 1).reshape(-1, 2), (columns, rows),
                                                    position.offset_grid(target[::-1]))
    torch.testing.assert_close(transposed.reshape(*position.offset_grid(target[::-1]), 2), there.transpose(0, 1))
