"""Several class tokens, registers, learned positions and blocks of hidden patches (Pixio, arXiv:2512.15715)."""
import pytest
import torch
from torch import nn

from mae_mm.models import MAE, MAEDecoder, MaskedAutoencoder
from mae_mm.models.masking import blocks_of, draw_order, num_blocks, num_visible, order_of_sample

from .peers import randomise

SIZES = dict(img_size=(32, 48), patch_size=8, embed_dims=32, num_layers=2, num_heads=2)
CPU = torch.device('cpu')


def pretrainer(mask_block=1, mask_ratio=.75, **options):
    torch.manual_seed(0)
    model = MaskedAutoencoder(MAE(**{**SIZES, **options}), MAEDecoder(24, 2, 2), mask_ratio, mask_block=mask_block)
    with torch.no_grad():
        randomise(model)
    return model.eval()


@pytest.mark.parametrize('grid, block', [((8, 8), (2, 2)), ((6, 8), (3, 2)), ((4, 6), (1, 3)), ((16, 16), (4, 4))])
def test_blocks_that_tile_the_grid_are_shown_or_hidden_whole(grid, block):
    count = grid[0] * grid[1]
    keep = num_visible(count, .75)
    order = draw_order(5, grid, CPU, block)
    assert torch.equal(order.sort(dim=1).values, torch.arange(count).expand(5, -1))
    blocks = blocks_of(grid, block)
    assert blocks.bincount().tolist() == [block[0] * block[1]] * num_blocks(grid, block)
    for row in order:
        whole = set(blocks[row[:keep]].tolist()) & set(blocks[row[keep:]].tolist())
        assert len(whole) == (keep % (block[0] * block[1]) > 0)  # at most one is cut, where the count asks for it


@pytest.mark.parametrize('grid, block', [((5, 7), (2, 2)), ((3, 3), (2, 3)), ((7, 1), (2, 1))])
def test_a_grid_that_blocks_do_not_tile_keeps_the_exact_count(grid, block):
    blocks = blocks_of(grid, block).view(grid)
    rows, columns = torch.meshgrid(torch.arange(grid[0]), torch.arange(grid[1]), indexing='ij')
    same = (rows // block[0] * 100 + columns // block[1]).flatten()
    assert torch.equal(blocks.flatten()[:, None] == blocks.flatten(), same[:, None] == same)
    order = draw_order(3, grid, CPU, block)
    assert order.shape == (3, grid[0] * grid[1]) and torch.equal(order.sort(dim=1).values[0], torch.arange(len(same)))
    for row in order:  # each block in one piece
        changes = (blocks.flatten()[row].diff() != 0).sum()
        assert changes == num_blocks(grid, block) - 1


def test_every_block_is_hidden_as_often_as_any_other():
    torch.manual_seed(0)
    visible = draw_order(8000, (4, 8), CPU, (2, 2))[:, :8].flatten().bincount() / 8000
    assert (visible - .25).abs().max() < .02


def test_a_block_of_one_patch_draws_what_single_patches_draw():
    """Equal numbers, of which there is a pair in one of 10,000 images, included."""
    torch.manual_seed(3)
    blocks = draw_order(60_000, (8, 8), CPU, (1, 1))
    torch.manual_seed(3)
    assert torch.equal(blocks, torch.rand(60_000, 64).argsort(dim=1))
    assert torch.equal(order_of_sample(5, (4, 6)), torch.randperm(24, generator=torch.Generator().manual_seed(5)))


@pytest.mark.parametrize('block', [0, -1, 1.5, (2, 0), (1, 2, 3), 'a', True, (4, 6), 9])
def test_a_block_that_cannot_be_is_one_line(block):
    with pytest.raises(ValueError, match='mask_block'):
        pretrainer(block)


def plain_loss(model, image, order, keep):
    """Pixio's loss of one image, patch by patch and token by token."""
    backbone, decoder = model.backbone, model.decoder
    T, P, p = backbone.num_cls_tokens, backbone.num_prefix_tokens, backbone.patch_size
    columns = backbone.grid[1]

    def cut(i):
        y, x = divmod(i, columns)
        return image[:, y * p:(y + 1) * p, x * p:(x + 1) * p]

    tokens = [backbone.cls_token[0, t] + backbone.pos_embed[0, t] for t in range(T)]
    tokens += [backbone.register_tokens[0, r] for r in range(backbone.num_registers)]
    for i in order[:keep]:
        embedded = nn.functional.conv2d(cut(i)[None], backbone.patch_embed.projection.weight,
                                        backbone.patch_embed.projection.bias).flatten()
        tokens.append(embedded + backbone.pos_embed[0, T + i])
    tokens = torch.stack(tokens)[None]
    for layer in backbone.layers:
        tokens = layer(tokens)
    latent = decoder.embed(backbone.ln1(tokens))[0]
    rows = [latent[t] + decoder.pos_embed[0, t] for t in range(T)] + [*latent[T:P]]
    for i in range(len(order)):
        place = order.index(i)
        token = latent[P + place] if place < keep else decoder.mask_token[0, 0]
        rows.append(token + decoder.pos_embed[0, T + i])
    tokens = torch.stack(rows)[None]
    for layer in decoder.layers:
        tokens = layer(tokens)
    pred = decoder.pred(decoder.ln1(tokens))[0, P:]
    losses = []
    for i in order[keep:]:
        target = cut(i).permute(1, 2, 0).flatten()
        target = (target - target.mean()) / (target.var() + 1e-6).sqrt()
        losses.append(((pred[i] - target)**2).mean())
    return torch.stack(losses).mean()


@pytest.mark.parametrize('options', [dict(num_cls_tokens=4, learned_positions=True), dict(num_registers=3),
                                     dict(num_cls_tokens=2, num_registers=2), {}])
@torch.no_grad()
def test_the_loss_is_a_plain_references(options):
    model = pretrainer((2, 2), **options)
    image = torch.randn(1, 3, 32, 48)
    order = draw_order(1, (4, 6), CPU, model.mask_block)
    expected = plain_loss(model, image[0], order[0].tolist(), num_visible(24, .75))
    torch.testing.assert_close(model.loss(image, ids_shuffle=order)['loss'], expected, rtol=1e-6, atol=1e-6)


def test_held_out_losses_and_pictures_hide_blocks_too():
    model = pretrainer((2, 2), mask_ratio=.5)
    mask = model.reconstruct(torch.randn(2, 3, 32, 48)).mask.view(2, 2, 2, 3, 2)  # image, block row, row, ...
    assert torch.equal(mask, mask[:, :, :1, :, :1].expand_as(mask)) and mask.sum() == 24
    order = order_of_sample(7, (4, 6), (2, 2))
    assert (blocks_of((4, 6), (2, 2))[order].diff() != 0).sum() == 5


def test_learned_positions_start_random_and_are_trained_and_others_are_not():
    for expected in (True, False):
        model = MaskedAutoencoder(MAE(**SIZES, learned_positions=expected), MAEDecoder(24, 2, 2))
        model.init_weights()
        assert model.backbone.pos_embed.requires_grad == model.decoder.pos_embed.requires_grad == expected
        for part in (model.backbone, model.decoder):
            assert (part.pos_embed[0, 0].abs().max() > 0) == expected  # sines and cosines have zeros there
            assert part.pos_embed.std() < .03 or not expected


@torch.no_grad()
@pytest.mark.parametrize('options', [dict(num_cls_tokens=3), dict(num_registers=2), dict(num_cls_tokens=2,
                                                                                         num_registers=3)])
def test_maps_pooling_padding_and_biases_leave_the_prefix_out(options):
    backbone = MAE(**SIZES, **options, rel_pos_bias=True, out_indices=[0, 1]).eval()
    randomise(backbone)
    images = torch.randn(2, 3, 32, 48)
    maps = backbone(images)
    assert [tuple(level.shape) for level in maps] == [(2, 32, 4, 6)] * 2
    *_, last = backbone.layer_inputs(images)
    assert last.shape[1] == backbone.num_prefix_tokens + 24
    torch.testing.assert_close(maps[1].flatten(2).transpose(1, 2), backbone.ln1(last)[:, -24:], rtol=0, atol=1e-5)
    padded = nn.functional.pad(images, (0, 8, 0, 16))
    table_grid = backbone(padded, sizes=[(32, 48)] * 2)[1][:, :, :4, :6]
    assert table_grid.shape == maps[1].shape and table_grid.isfinite().all()
    for out_type, part in (('cls_token', slice(backbone.num_cls_tokens)),
                           ('avg_featmap', slice(backbone.num_prefix_tokens, None))):
        pooled = MAE(**SIZES, **options, rel_pos_bias=True, out_type=out_type, final_norm=False).eval()
        pooled.load_state_dict({name: tensor for name, tensor in backbone.state_dict().items() if 'ln1.' not in name
                                or 'layers' in name})
        torch.testing.assert_close(pooled(images)[0], last[:, part].mean(dim=1), rtol=0, atol=1e-5)


@torch.no_grad()
def test_each_class_token_is_biased_as_the_one():
    """With equal tokens in the prefix and zero positions, one and three give the patches the same but for weights."""
    one, three = (MAE(**SIZES, rel_pos_bias=True, num_cls_tokens=count).eval() for count in (1, 3))
    randomise(one)
    pairs = three._biases((4, 6))[0][0]
    found = one._biases((4, 6))[0][0]
    assert pairs.shape[-1] == 27 and found.shape[-1] == 25
    state = one.state_dict()
    three.load_state_dict({name: tensor for name, tensor in state.items() if 'table' in name}, strict=False)
    three._bias_cache.clear()
    pairs, found = three._biases((4, 6))[0][0], one._biases((4, 6))[0][0]
    assert torch.equal(pairs[:, 3:, 3:], found[:, 1:, 1:]) and torch.equal(pairs[:, 0, 3:], found[:, 0, 1:])
    assert torch.equal(pairs[:, 2, 3:], found[:, 0, 1:]) and torch.equal(pairs[:, 3:, 1], found[:, 1:, 0])


@pytest.mark.parametrize('options', [dict(num_cls_tokens=0), dict(num_cls_tokens=1.5), dict(num_registers=-1),
                                     dict(num_cls_tokens=True)])
def test_numbers_of_tokens_that_cannot_be_are_one_line(options):
    with pytest.raises(ValueError, match='is not a whole number from'):
        MAE(**SIZES, **options)


def test_registers_freeze_and_decay_with_the_embeddings():
    backbone = MAE(**SIZES, num_registers=2, frozen_stages=0)
    assert not backbone.register_tokens.requires_grad
    assert backbone.get_layer_depth('register_tokens') == (0, 4)
