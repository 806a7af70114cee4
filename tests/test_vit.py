"""The backbone."""
import math

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS

from mae_mm.models import MAE
from mae_mm.models.layers import MANY, Linear

from .conftest import ROOT
from .peers import randomise

SIZES = dict(img_size=(32, 48), patch_size=8, embed_dims=24, num_layers=3, num_heads=2, out_indices=[0, 2])


def backbone(**changes) -> MAE:
    model = MAE(**{**SIZES, 'rel_pos_bias': True, 'init_values': .5, **changes})
    randomise(model)
    return model.eval()


@pytest.mark.parametrize('size', [(32, 48), (48, 32), (8, 64), (64, 64)])
def test_maps_of_any_size(size):
    maps = backbone()(torch.randn(2, 3, *size))
    assert [tuple(m.shape) for m in maps] == [(2, 24, size[0] // 8, size[1] // 8)] * 2


@pytest.mark.parametrize('amd', [False, True])
@pytest.mark.parametrize('shape', [(2, MANY, 24), (MANY, 24), (1, MANY // 2, 24)], ids=str)
def test_many_tokens_are_multiplied_like_few(shape, amd, monkeypatch):
    monkeypatch.setattr('mae_mm.models.layers._is_amd', lambda: amd)
    torch.manual_seed(0)
    ours, images = Linear(24, 40), torch.randn(*shape[:-1], 48)
    plain = torch.nn.Linear(24, 40)
    plain.load_state_dict(ours.state_dict())
    called = []

    class Calls(torch.overrides.TorchFunctionMode):
        def __torch_function__(self, function, types, args=(), kwargs=None):
            called.append(function)
            return function(*args, **(kwargs or {}))

    results = []
    for layer in (plain, ours):
        inputs = images.clone().requires_grad_()
        with Calls():
            out = layer(inputs[..., ::2])  # not contiguous
        gradients = torch.autograd.grad(out.sin().sum(), [inputs, *layer.parameters()])
        results.append((out, *gradients))
    many = math.prod(shape[:-1]) >= MANY
    assert (torch.conv2d in called) == (many and amd and torch.backends.mkldnn.is_available())
    for expected, given in zip(*results, strict=True):
        assert given.shape == expected.shape and given.is_contiguous() == expected.is_contiguous()
        torch.testing.assert_close(given, expected, rtol=0, atol=1e-5 * max(expected.abs().max().item(), 1))


def test_many_tokens_in_mixed_precision():
    layer, tokens = Linear(24, 40), torch.randn(1, MANY, 24)
    with torch.autocast('cpu', torch.bfloat16):
        out = layer(tokens)
    assert out.dtype == torch.bfloat16
    torch.testing.assert_close(out.float(), layer(tokens), rtol=0, atol=.05)


def test_only_the_layout_of_maps_differs_in_inference():
    model, images = backbone(out_indices=-1), torch.randn(3, 3, 32, 48)
    trained = model(images)[0]
    with torch.no_grad():
        tested = model(images)[0]
    assert trained.is_contiguous() and tested.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(tested, trained, rtol=0, atol=1e-5)


def test_transposing_everything_transposes_the_maps():
    model, transposed = backbone(), backbone(img_size=(48, 32))
    state = model.state_dict()
    for name, tensor in state.items():
        if name == 'pos_embed':
            grid = tensor[:, 1:].unflatten(1, (4, 6)).transpose(1, 2).flatten(1, 2)
            state[name] = torch.cat([tensor[:, :1], grid], dim=1)
        elif name.endswith('bias_table'):
            offsets = tensor[:-3].unflatten(0, (7, 11)).transpose(0, 1).flatten(0, 1)
            state[name] = torch.cat([offsets, tensor[-3:]])
        elif name == 'patch_embed.projection.weight':
            state[name] = tensor.transpose(2, 3)
    state._metadata['']['grid'] = (6, 4)
    transposed.load_state_dict(state)
    for size in ((32, 48), (48, 64)):  # its own grid, and one that it resizes to
        images = torch.randn(1, 3, *size)
        for ours, theirs in zip(model(images), transposed(images.transpose(2, 3)), strict=True):
            torch.testing.assert_close(ours.transpose(2, 3), theirs, rtol=0, atol=1e-5)


def test_a_zero_bias_equals_no_bias():
    with_bias, without = backbone(), backbone(rel_pos_bias=False)
    for layer in with_bias.layers:
        layer.attn.relative_position_bias_table.data.zero_()
    without.load_state_dict({k: v for k, v in with_bias.state_dict().items() if 'table' not in k})
    images = torch.randn(1, 3, 32, 48)
    for a, b in zip(with_bias(images), without(images), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-5)


def test_the_kept_bias_follows_the_table_and_the_grid():
    model = backbone()
    small, large = torch.randn(1, 3, 16, 16), torch.randn(1, 3, 32, 48)
    with torch.no_grad():
        expected = [model(images)[-1] for images in (small, large, small)]
        assert torch.equal(expected[0], expected[2])
        assert list(model._bias_cache.grids) == [(4, 6), (2, 2)]
        model.layers[0].attn.relative_position_bias_table[:-3].mul_(2)
        kept = model(small)[-1]
    assert not torch.allclose(kept, expected[0])
    torch.testing.assert_close(model(small)[-1], kept)  # with gradients nothing is kept
    assert not model.train()._bias_cache.grids


def test_a_checkpoint_of_another_grid_is_resized_when_it_is_loaded():
    source, target = backbone(), backbone(img_size=(64, 40))
    target.load_state_dict(source.state_dict())
    images = torch.randn(1, 3, 64, 40)
    for a, b in zip(source(images), target(images), strict=True):  # at load time as at run time
        torch.testing.assert_close(a, b, rtol=0, atol=1e-5)


def test_a_rectangle_is_not_mistaken_for_another_with_as_many_patches():
    source, target = backbone(), backbone(img_size=(48, 32))
    target.load_state_dict(source.state_dict())
    assert not torch.equal(target.pos_embed, source.pos_embed)
    anonymous = dict(source.state_dict())  # no metadata: nothing tells the grid of 24 patches
    with pytest.raises(ValueError, match='24 patches, which do not form a square'):
        backbone(img_size=(64, 64)).load_state_dict(anonymous)


def test_recomputing_activations_changes_nothing():
    plain, recomputing = backbone().train(), backbone(with_cp=True).train()
    images = torch.randn(2, 3, 32, 48)
    for model in (plain, recomputing):
        sum(m.square().mean() for m in model(images)).backward()
    for (name, a), b in zip(plain.named_parameters(), recomputing.parameters(), strict=True):
        torch.testing.assert_close(a.grad, b.grad, msg=name)


def test_frozen_stages_do_not_move_and_stay_in_eval_mode():
    model = backbone(frozen_stages=2, drop_path_rate=.5).train()
    sum(m.mean() for m in model(torch.randn(2, 3, 32, 48))).backward()
    moving = {name.split('.')[0] + '.' + name.split('.')[1] for name, p in model.named_parameters()
              if p.grad is not None}
    assert moving == {'layers.2', 'ln1.weight', 'ln1.bias'}
    assert not model.layers[0].training and not model.layers[1].training and model.layers[2].training


def test_train_and_eval_return_the_model():
    assert backbone().eval() is not None and isinstance(backbone().train(), MAE)


def test_final_norm_and_architectures():
    assert isinstance(backbone(final_norm=False).ln1, torch.nn.Identity)
    with torch.device('meta'):
        huge = MAE(arch='huge', patch_size=14)
    assert (huge.embed_dims, huge.num_layers, huge.grid) == (1280, 32, (16, 16))
    with pytest.raises(ValueError, match="'giant' is not one of tiny, small, base, large, huge"):
        MAE(arch='giant')
    with torch.device('meta'):
        small = MAE(arch='small')
        assert (small.embed_dims, small.num_layers, small.layers[0].attn.num_heads) == (384, 12, 6)
    with pytest.raises(ValueError, match="arch='base' sets all sizes, so embed_dims=192, num_heads=3 would"):
        MAE(arch='base', embed_dims=192, num_heads=3)


def test_bare_backbone_refuses_what_patches_do_not_tile():
    with pytest.raises(ValueError, match='33x48 image: not a multiple of the patch 8'):
        backbone()(torch.zeros(1, 3, 33, 48))


def test_initialisation_is_the_official_one():
    model = MAE(**{**SIZES, 'embed_dims': 96}, rel_pos_bias=True, init_values=1.)
    model.init_weights()
    for weight in (model.patch_embed.projection.weight.flatten(1), model.layers[1].attn.qkv.weight,
                   model.layers[1].ffn.layers[1].weight):
        bound = (6 / sum(weight.shape))**.5
        assert .95 * bound < weight.abs().max() <= bound
        assert weight.std().item() == pytest.approx(bound / 3**.5, rel=.05)
    assert model.cls_token.std().item() == pytest.approx(.02, rel=.3)
    assert not model.layers[0].attn.relative_position_bias_table.any() and not model.layers[0].attn.qkv.bias.any()
    assert model.pos_embed.abs().max() <= 1 and model.pos_embed[0, 1:].any(dim=1).all()


def test_published_model_has_the_published_size():
    cfg = Config.fromfile(ROOT / 'configs/mae/upernet_mae-base_fp16_8x2_512x512_160k_ade20k.py')
    init_default_scope('mmseg')
    with torch.device('meta'):
        model = MODELS.build(cfg.model)
    assert sum(p.numel() for p in model.parameters()) == 163_877_228
    assert sum(p.numel() for p in model.backbone.parameters()) == 87_023_424
