"""What a backbone hands to heads: maps, normed or not, with the tokens before the patches."""
import pytest
import torch

from mae_mm import MAE, InputError

SIZES = dict(img_size=(32, 48), patch_size=8, embed_dims=16, num_layers=4, num_heads=2)


def backbone(**settings):
    torch.manual_seed(0)
    model = MAE(**SIZES, **settings).eval()
    torch.nn.init.normal_(model.ln1.weight) if hasattr(model.ln1, 'weight') else None
    return model


@torch.no_grad()
@pytest.mark.parametrize('norm', [False, True])
@pytest.mark.parametrize('out_type', ['featmap', 'featmap+cls_token', 'featmap+prefix'])
def test_outputs_are_those_of_the_layers(out_type, norm):
    model, images = backbone(out_indices=[1, 2], norm_outputs=norm, out_type=out_type), torch.randn(2, 3, 32, 48)
    expected = model.get_intermediate_layers(images, [1, 2], reshape=True, return_class_token=True, norm=norm)
    outputs = model(images)
    assert len(outputs) == 2
    for output, (patches, token) in zip(outputs, expected, strict=True):
        if out_type == 'featmap':
            output = output, token
        torch.testing.assert_close(output[0], patches)
        torch.testing.assert_close(output[1], token[:, None] if out_type == 'featmap+prefix' else token)


@torch.no_grad()
def test_several_class_tokens_and_registers():
    sizes = dict(num_cls_tokens=3, num_registers=2, out_indices=[1], norm_outputs=True)
    images = torch.randn(2, 3, 32, 48)
    (patches, token), = backbone(**sizes, out_type='featmap+cls_token')(images)
    (same, prefix), = backbone(**sizes, out_type='featmap+prefix')(images)
    assert prefix.shape == (2, 5, 16) and patches.shape == (2, 16, 4, 6) and torch.equal(patches, same)
    torch.testing.assert_close(token, prefix[:, :3].mean(dim=1))


@torch.no_grad()
def test_the_last_layer_is_always_normed():
    images = torch.randn(2, 3, 32, 48)
    last = [backbone(out_indices=[1, -1], norm_outputs=norm)(images) for norm in (False, True)]
    torch.testing.assert_close(last[0][1], last[1][1])
    assert not torch.allclose(last[0][0], last[1][0])


@torch.no_grad()
def test_layers_after_the_last_output_are_not_computed():
    model = backbone(out_indices=[1])
    calls = []
    for i, layer in enumerate(model.layers):
        layer.register_forward_hook(lambda *_, i=i: calls.append(i))
    model(torch.randn(1, 3, 32, 48))
    assert calls == [0, 1]


@pytest.mark.parametrize('settings, says', [
    (dict(out_type='raw'), "'raw' is not one of featmap, featmap\\+cls_token"),
    (dict(out_type='cls_token', out_indices=[1]), 'works on the last layer only'),
    (dict(out_type='featmap+prefix', out_indices=[4]), 'layer 4, the backbone has 4 layers'),
])
def test_what_cannot_be_handed_out(settings, says):
    with pytest.raises(InputError, match=says):
        MAE(**SIZES, **settings)
