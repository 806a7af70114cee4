"""What one sees of a backbone: the tokens of its layers, and what attends to what."""
import functools

import pytest
import timm
import torch
from torch import nn

import mae_mm
from mae_mm import MAE, InputError
from mae_mm.models.position import relative_position_bias

TINY = dict(img_size=32, patch_size=8, embed_dims=16, num_layers=3, num_heads=2)


def randomised(**more):
    torch.manual_seed(0)
    model = MAE(**{**TINY, **more}).eval()
    for parameter in model.parameters():
        nn.init.normal_(parameter.data, std=.2)
    return model


@pytest.mark.parametrize('bias', [False, True])
@torch.no_grad()
def test_intermediate_layers_are_those_of_forward(bias):
    model = randomised(rel_pos_bias=bias, out_indices=[0, 1, 2], init_values=.5 if bias else None)
    images = torch.randn(2, 3, 32, 48)
    maps = model(images)
    for found, expected in zip(model.get_intermediate_layers(images, 3, reshape=True, norm=False)[:2], maps,
                               strict=False):
        assert torch.equal(found, expected)
    last, = model.get_intermediate_layers(images, reshape=True)
    assert torch.equal(last, maps[-1])
    (patches, token), = model.get_intermediate_layers(images, [-1], return_class_token=True)
    assert torch.equal(patches, last.flatten(2).transpose(1, 2)) and token.shape == (2, 16)
    again, first = model.get_intermediate_layers(images, [2, 0], reshape=True, norm=False)
    assert torch.equal(first, maps[0]) and torch.equal(model.ln1(again.permute(0, 2, 3, 1)), last.permute(0, 2, 3, 1))
    for n in (0, 4, [3], [], 'x'):
        with pytest.raises(InputError):
            model.get_intermediate_layers(images, n)


@torch.no_grad()
def test_intermediate_layers_are_those_of_timm():
    other = timm.models.vision_transformer.VisionTransformer(
        img_size=32, patch_size=8, embed_dim=16, depth=3, num_heads=2, num_classes=0,
        norm_layer=functools.partial(nn.LayerNorm, eps=1e-6)).eval()
    for parameter in other.parameters():
        nn.init.normal_(parameter.data, std=.2)
    model = MAE(**TINY).eval()
    model.load_state_dict(mae_mm.checkpoint.convert(other.state_dict()).weights)
    images = torch.randn(2, 3, 32, 32)
    for n in (1, 2, [0, 2]):
        found = model.get_intermediate_layers(images, n, reshape=True, return_class_token=True)
        expected = other.get_intermediate_layers(images, n, reshape=True, return_prefix_tokens=True, norm=True)
        for (patches, token), (maps, prefix) in zip(found, expected, strict=True):
            torch.testing.assert_close(patches, maps)
            torch.testing.assert_close(token, prefix[:, 0])


@pytest.mark.parametrize('bias', [False, True])
def test_attention_weights_give_the_layers_output(bias):
    model = randomised(rel_pos_bias=bias)
    images = torch.randn(2, 3, 32, 48)
    seen = []
    attention = model.layers[1].attn
    attention.register_forward_hook(lambda module, inputs, output: seen.append((inputs[0], output)))
    with torch.no_grad():
        model(images)
        weights = model.attention_weights(images, 1)
    assert weights.shape == (2, 2, 25, 25)
    torch.testing.assert_close(weights.sum(-1), torch.ones(2, 2, 25))
    tokens, expected = seen[0]
    value = attention.qkv(tokens).reshape(2, 25, 3, 2, 8).permute(2, 0, 3, 1, 4)[2]
    torch.testing.assert_close(attention.proj((weights @ value).transpose(1, 2).flatten(2)), expected)
    if bias:
        with torch.no_grad():
            table = attention.relative_position_bias_table
            assert relative_position_bias(table, (4, 4), (4, 6)).spread().abs().max() > 0
            table.zero_()
            model.train().eval()  # drops what is kept of the biases
            assert not torch.allclose(model.attention_weights(images, 1), weights)
