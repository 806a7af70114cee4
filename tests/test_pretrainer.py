"""The masked autoencoder: laws, then the official implementation's figures, then mmpretrain's own model."""
import json

import pytest
import torch
from mmengine.logging import MMLogger
from mmengine.registry import init_default_scope
from mmpretrain.registry import MODELS

from mae_mm import MAE, MAEDecoder, MaskedAutoencoder
from mae_mm.models.masking import draw_order, hidden_mask, num_visible, order_of_sample
from mae_mm.models.patches import patch_statistics, patchify, take_patches, unpatchify
from mae_mm.models.position import sincos_position

from .conftest import ROOT
from .peers import randomise

SIZES = dict(img_size=32, patch_size=8, embed_dims=32, num_layers=2, num_heads=4)


def autoencoder(decoder=(24, 2, 3), seed=7, mask_ratio=.75, norm_pix=True, **sizes):
    model = MaskedAutoencoder(MAE(**{**SIZES, **sizes}), MAEDecoder(*decoder), mask_ratio, norm_pix)
    randomise(model, seed)
    return model


def orders(batch, patches, seed=0):
    torch.manual_seed(seed)
    return draw_order(batch, (1, patches), torch.device('cpu'))


@pytest.mark.parametrize('channels, size, patch', [(3, (32, 32), 8), (1, (12, 20), 4), (5, (14, 7), 7)])
def test_patches_put_together_are_the_image(channels, size, patch):
    images = torch.randn(2, channels, *size)
    patches = patchify(images, patch)
    grid = size[0] // patch, size[1] // patch
    assert patches.shape == (2, grid[0] * grid[1], patch * patch * channels)
    assert torch.equal(unpatchify(patches, patch, grid), images)
    ids = orders(2, grid[0] * grid[1])[:, :2]
    assert torch.equal(take_patches(images, ids, patch), torch.take_along_dim(patches, ids[..., None], dim=1))
    second = images[0, :, :patch, patch:2 * patch].permute(1, 2, 0).flatten() if grid[1] > 1 else patches[0, 1]
    assert torch.equal(patches[0, 1], second)  # row by row, channels last


def test_statistics_of_a_patch_are_the_unbiased_ones():
    patches = torch.randn(2, 3, 48)
    mean, std = patch_statistics(patches)
    assert torch.allclose(std**2 - 1e-6, ((patches - mean)**2).sum(dim=-1, keepdim=True) / 47, atol=1e-6)


def test_orders_are_permutations_and_hide_the_official_number():
    ids = orders(5, 24)
    assert torch.equal(ids.sort(dim=1).values, torch.arange(24).expand(5, -1)) and len(ids.unique(dim=0)) == 5
    mask = hidden_mask(ids, 6)
    assert mask.dtype == torch.bool and (mask.sum(dim=1) == 18).all()
    assert not torch.take_along_dim(mask, ids[:, :6], dim=1).any()
    assert num_visible(196, .75) == 49 and num_visible(400, .9) == 39  # rounded down, as the official code does
    assert torch.equal(order_of_sample(3, (4, 6)), order_of_sample(3, (4, 6)))
    assert not torch.equal(order_of_sample(3, (4, 6)), order_of_sample(4, (4, 6)))


def test_every_patch_is_hidden_equally_often():
    mask = hidden_mask(orders(4000, 16), 4)
    assert (mask.float().mean(dim=0) - .75).abs().max() < .03  # four deviations of the mean


def test_encoding_all_patches_is_the_dense_road():
    backbone = autoencoder(img_size=(16, 40)).backbone
    images, grid = torch.randn(2, 3, 24, 16), (3, 2)  # of another grid than the model's
    tokens = backbone.encode(images, torch.arange(6).expand(2, -1))
    dense = backbone(images)[-1]
    torch.testing.assert_close(tokens[:, 1:].transpose(1, 2).unflatten(2, grid), dense, rtol=0, atol=1e-5)


def test_visible_patches_decide_and_their_order_does_not_matter():
    model = autoencoder()
    images, ids = torch.randn(2, 3, 32, 32), orders(2, 16)
    before = model.reconstruct(images, ids_shuffle=ids)
    changed = torch.where(before.mask[..., None], torch.randn(2, 16, 192), patchify(images, 8))
    after = model.reconstruct(unpatchify(changed, 8, (4, 4)), ids_shuffle=ids)
    assert torch.equal(before.pred, after.pred)  # hidden pixels reach nothing
    within = torch.cat([ids[:, :4].flip(1), ids[:, 4:].flip(1)], dim=1)
    torch.testing.assert_close(model.reconstruct(images, ids_shuffle=within).pred, before.pred, rtol=0, atol=1e-5)


@pytest.mark.parametrize('norm_pix', [True, False])
def test_the_loss_reads_hidden_patches_alone_and_the_picture_shows_visible_ones(norm_pix):
    model = autoencoder(norm_pix=norm_pix, img_size=(16, 40), in_channels=5, mask_ratio=.6)
    images, ids = torch.randn(2, 5, 16, 40), orders(2, 10)
    pred, mask, merged = model.reconstruct(images, ids_shuffle=ids)
    assert pred.shape == (2, 10, 8 * 8 * 5) and mask.shape == (2, 10) and merged.shape == images.shape
    patches = patchify(images, 8)
    mean, std = patch_statistics(patches) if norm_pix else (0., 1.)
    errors = (pred - (patches - mean) / std).square().mean(dim=-1)
    assert model.loss(images, ids_shuffle=ids)['loss'].item() == pytest.approx(errors[mask].mean().item(), abs=1e-6)
    drawn = patchify(merged, 8)
    assert torch.equal(drawn[~mask], patches[~mask])
    torch.testing.assert_close(drawn[mask], (pred * std + mean)[mask])


def test_a_transposed_image_gives_the_transposed_picture():
    model, transposed = autoencoder(img_size=(16, 40)), autoencoder(img_size=(40, 16))
    state = model.state_dict()
    kernel = 'backbone.patch_embed.projection.weight'
    state[kernel] = state[kernel].transpose(2, 3)
    for name in ('backbone.pos_embed', 'decoder.pos_embed'):
        state[name] = torch.cat([state[name][:, :1], state[name][:, 1:].unflatten(1, (2, 5)).transpose(1, 2)
                                 .flatten(1, 2)], dim=1)
    for name in ('decoder.pred.weight', 'decoder.pred.bias'):
        state[name] = state[name].unflatten(0, (8, 8, 3)).transpose(0, 1).flatten(0, 2)
    for key in state._metadata.values():
        key.pop('grid', None)
    transposed.load_state_dict(dict(state))
    images, ids = torch.randn(2, 3, 16, 40), orders(2, 10)
    expected = model.reconstruct(images, ids_shuffle=ids).images.transpose(2, 3)
    there = ids % 5 * 2 + ids // 5
    torch.testing.assert_close(transposed.reconstruct(images.transpose(2, 3), ids_shuffle=there).images, expected,
                               rtol=0, atol=1e-4)


def test_initial_weights_are_the_official_ones():
    model = MaskedAutoencoder(MAE(**SIZES), MAEDecoder(24, 2, 3))
    model.init_weights()
    state = model.state_dict()
    assert torch.equal(state['decoder.pos_embed'], sincos_position(24, (4, 4)))
    assert not any(model.get_parameter(f'{part}.pos_embed').requires_grad for part in ('backbone', 'decoder'))
    bound = (6 / (24 + 192))**.5  # Xavier's, of the predictor
    weight = state['decoder.pred.weight']
    assert bound * .99 < weight.abs().max() <= bound and not state['decoder.pred.bias'].any()
    assert .01 < state['decoder.mask_token'].std() < .03


def test_initialisation_tells_of_each_parameter_in_a_runs_log_file_alone(tmp_path, capfd):
    MAE(arch='tiny', img_size=32).init_weights()
    assert capfd.readouterr() == ('', '')
    MMLogger.get_instance('run', log_file=str(tmp_path / 'run.log'))
    MAE(arch='tiny', img_size=32).init_weights()
    assert 'layers.11.ffn.layers.1.bias - torch.Size([192])' in (tmp_path / 'run.log').read_text()


@pytest.mark.parametrize('norm_pix', [True, False])
def test_the_function_is_the_official_one(norm_pix):
    # facebookresearch/mae at efb2a80, models_mae.py, with these weights and this shuffle, on timm 1.0's blocks
    golden = json.loads((ROOT / 'tests/golden/official_mae.json').read_text())[str(norm_pix)]
    model = autoencoder(norm_pix=norm_pix)
    generator = torch.Generator().manual_seed(8)
    images = torch.randn(2, 3, 32, 32, generator=generator)
    ids = torch.rand(2, 16, generator=generator).argsort(dim=1)
    loss = model.loss(images, ids_shuffle=ids)['loss']
    assert loss.item() == pytest.approx(golden['loss'], abs=1e-5)
    done = model.reconstruct(images, ids_shuffle=ids)
    assert done.mask.int().tolist() == golden['hidden']
    values = torch.stack([done.pred[0, 0, 5:9], done.pred[0, 7, 5:9], done.pred[1, 15, 5:9]])
    torch.testing.assert_close(values, torch.tensor(golden['pred']), rtol=0, atol=1e-4)
    assert done.pred.norm().item() == pytest.approx(golden['pred_norm'], rel=1e-5)
    loss.backward()
    gradients = {name: p.grad for name, p in model.named_parameters() if p.requires_grad}
    assert set(gradients) == set(golden['gradients'])
    for name, (norm, value) in golden['gradients'].items():
        gradient = gradients[name]
        assert gradient.norm().item() == pytest.approx(norm, rel=1e-4, abs=1e-7), name
        sample = gradient.flatten()[gradient.numel() // 3].item()
        assert sample == pytest.approx(value, rel=1e-4, abs=1e-4 * norm), name


def mmpretrain_mae(norm_pix):
    init_default_scope('mmpretrain')
    arch = dict(embed_dims=32, num_layers=2, num_heads=4, feedforward_channels=128)
    return MODELS.build(dict(
        type='MAE',
        backbone=dict(type='MAEViT', arch=arch, img_size=32, patch_size=8),
        neck=dict(type='MAEPretrainDecoder', num_patches=16, patch_size=8, embed_dim=32, decoder_embed_dim=24,
                  decoder_depth=2, decoder_num_heads=3),
        head=dict(type='MAEPretrainHead', norm_pix=norm_pix, patch_size=8, loss=dict(type='PixelReconstructionLoss',
                                                                                     criterion='L2'))))


def from_mmpretrain(state):
    """mmpretrain's MAE in our names."""
    def rename(name):
        name = name.replace('neck.decoder_blocks', 'decoder.layers').replace('neck.decoder_', 'decoder.')
        return name.replace('neck.', 'decoder.')
    return {rename(name): tensor for name, tensor in state.items()}


@pytest.mark.parametrize('norm_pix', [True, False])
def test_the_function_is_mmpretrains(norm_pix, monkeypatch):
    peer = mmpretrain_mae(norm_pix)
    randomise(peer, seed=1)
    model = autoencoder(norm_pix=norm_pix)
    model.load_state_dict(from_mmpretrain(peer.state_dict()))
    images, noise = torch.randn(2, 3, 32, 32), torch.rand(2, 16)
    monkeypatch.setattr(torch, 'rand', lambda *_, **__: noise)
    theirs = peer.loss(images, None)['loss']
    monkeypatch.undo()
    ours = model.loss(images, ids_shuffle=noise.argsort(dim=1))['loss']
    assert ours.item() == pytest.approx(theirs.item(), abs=1e-5)
    theirs.backward()
    ours.backward()
    gradients = from_mmpretrain({name: p.grad for name, p in peer.named_parameters() if p.requires_grad})
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            torch.testing.assert_close(parameter.grad, gradients[name], rtol=1e-4, atol=1e-6, msg=name)


def test_mixed_precision_and_recomputation_change_nothing_but_rounding():
    images, ids = torch.randn(2, 3, 32, 32), orders(2, 16)
    plain, recomputed = autoencoder(), autoencoder(with_cp=True)
    recomputed.decoder.with_cp = True
    loss = plain.loss(images, ids_shuffle=ids)['loss']
    loss.backward()
    again = recomputed.loss(images, ids_shuffle=ids)['loss']
    again.backward()
    assert torch.equal(loss, again)
    for a, b in zip(plain.parameters(), recomputed.parameters(), strict=True):
        assert a.grad is None and b.grad is None or torch.equal(a.grad, b.grad)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        half = plain.loss(images, ids_shuffle=ids)['loss']
    assert half.dtype == torch.float32 and half.item() == pytest.approx(loss.item(), rel=.02)


def test_pre_trained_weights_go_into_other_grids_and_roads(tmp_path):
    model = autoencoder(img_size=(16, 40))
    torch.save({'state_dict': model.state_dict()}, tmp_path / 'epoch_1.pth')
    other = autoencoder(img_size=(40, 16), seed=9)  # as many patches on another grid
    other.load_state_dict(model.state_dict())
    images = torch.randn(1, 3, 16, 40)
    assert not torch.equal(other.decoder.pos_embed, model.decoder.pos_embed)
    dense = MAE(**{**SIZES, 'img_size': (16, 40)}, rel_pos_bias=True, init_values=1.,
                init_cfg=dict(type='Pretrained', checkpoint=str(tmp_path / 'epoch_1.pth')))
    dense.init_weights()
    torch.testing.assert_close(dense(images)[-1], model.backbone(images)[-1], rtol=0, atol=1e-5)


def test_parts_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match='mask_ratio=0.99 leaves 0 of 16 patches visible'):
        autoencoder(mask_ratio=.99)
    with pytest.raises(ValueError, match='mask_ratio=0 leaves 16 of 16'):
        autoencoder(mask_ratio=0)
    with pytest.raises(ValueError, match='24 cannot be divided among 5 heads'):
        autoencoder(decoder=(24, 2, 5))
    with pytest.raises(ValueError, match='rel_pos_bias=False'):
        autoencoder(rel_pos_bias=True)
    with pytest.raises(ValueError, match='needs a mae_mm.MAE, not a Linear'):
        MaskedAutoencoder(torch.nn.Linear(1, 1), MAEDecoder(24, 2, 3))
    decoder = autoencoder().decoder
    with pytest.raises(ValueError, match=r'connected to an encoder of width 32 and grid \(4, 4\) already'):
        MaskedAutoencoder(MAE(**SIZES), decoder)
    with pytest.raises(ValueError, match='4x40 image: not a multiple of the patch 8'):
        autoencoder().loss(torch.randn(1, 3, 4, 40))
    with pytest.raises(ValueError, match=r'ids_shuffle has the shape \(1, 9\) for 2 images of 4x4 patches'):
        autoencoder().loss(torch.randn(2, 3, 32, 32), ids_shuffle=torch.arange(9)[None])
