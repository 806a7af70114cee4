"""Encoders with several class tokens, registers or layer scale: theirs the same in ours, and ours in theirs."""
import pytest
import timm
import torch
import transformers
from safetensors.torch import load_file

from mae_mm.apis.encoders import FrozenEncoder
from mae_mm.checkpoint import convert, export, load_into, load_weights, recognise
from mae_mm.checkpoint.describing import describe
from mae_mm.checkpoint.loading import encoder_of
from mae_mm.models import MAE
from mae_mm.models.position import RESIZING, resize_grid

from .conftest import run_inside
from .peers import randomise

SIZES = dict(hidden_size=32, num_hidden_layers=3, num_attention_heads=2)
HUGGING_FACE = {
    'pixio': (transformers.PixioModel, transformers.PixioConfig(
        **SIZES, image_size=32, patch_size=8, n_cls_tokens=3)),
    'dinov2': (transformers.Dinov2Model, transformers.Dinov2Config(**SIZES, image_size=56, patch_size=14)),
    'dinov2-registers': (transformers.Dinov2WithRegistersModel, transformers.Dinov2WithRegistersConfig(
        **SIZES, image_size=56, patch_size=14)),
    'vit': (transformers.ViTModel, transformers.ViTConfig(
        **SIZES, intermediate_size=128, image_size=32, patch_size=8)),
}
TIMM = {
    'registers': dict(reg_tokens=4, no_embed_class=True, init_values=1., global_pool='token'),
    'registers-with-positions': dict(reg_tokens=4, init_values=1., global_pool='token'),
    'registers-alone': dict(reg_tokens=4, class_token=False, no_embed_class=True, global_pool='avg', fc_norm=False),
    'deit3': dict(no_embed_class=True, init_values=1., global_pool='token'),
}


def same(found, expected):
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)


def images(height, width):
    return torch.randn(2, 3, height, width, generator=torch.Generator().manual_seed(0))


def encoder(weights, **options):
    """Our backbone with the sizes of weights, and these weights."""
    model = describe(weights)
    part = model.backbone
    ours = MAE(img_size=tuple(side * model.patch_size for side in part.grid), patch_size=model.patch_size,
               embed_dims=part.embed_dims, num_layers=part.num_layers, num_heads=part.num_heads or 2,
               mlp_ratio=part.hidden_dims / part.embed_dims, num_cls_tokens=model.num_cls_tokens,
               num_registers=model.num_registers, init_values=1. if model.layer_scale else None, **options)
    load_into(ours, encoder_of(weights)[0], 'theirs')
    return ours.eval()


def tokens_of(ours, inputs):
    """``(B, N, C)``, what follows the last norm."""
    *_, last = ours.layer_inputs(inputs)
    return ours.ln1(last)


def hugging_face(name):
    torch.manual_seed(0)
    class_, config = HUGGING_FACE[name]
    options = dict(add_pooling_layer=False) if name == 'vit' else {}
    model = class_(config, **options).eval()
    with torch.no_grad():
        randomise(model)
    return model


@pytest.mark.parametrize('name', HUGGING_FACE)
@torch.no_grad()
def test_hugging_faces_encoders_are_the_same_in_ours_at_any_size_and_back(name, tmp_path):
    theirs = hugging_face(name)
    theirs.save_pretrained(tmp_path / 'theirs')
    weights = load_weights(str(tmp_path / 'theirs'))
    ours = encoder(weights)
    p = ours.patch_size
    options = dict(interpolate_pos_encoding=True) if name == 'vit' else {}
    for inputs in (images(4 * p, 4 * p), images(6 * p, 3 * p), images(2 * p, 7 * p)):
        expected = theirs(inputs, output_hidden_states=True, **options)
        same(tokens_of(ours, inputs), expected.last_hidden_state)
        (patches, cls), (last, _) = ours.get_intermediate_layers(inputs, [1, -1], return_class_token=True, norm=False)
        prefix, hidden = ours.num_prefix_tokens, expected.hidden_states[2]
        same(patches, hidden[:, prefix:])
        same(cls, hidden[:, :ours.num_cls_tokens].mean(1))
        same(ours.ln1(last), expected.last_hidden_state[:, prefix:])
        maps, = ours(inputs)
        same(maps.flatten(2).transpose(1, 2), expected.last_hidden_state[:, prefix:])
        if expected.pooler_output is not None:
            same(encoder(weights, out_type='cls_token')(inputs)[0], expected.pooler_output)

    assert run_inside('tools/model_converters/export.py', tmp_path / 'theirs', tmp_path / 'back', '--to',
                      'huggingface') == 0
    class_ = transformers.ViTMAEModel if name == 'vit' else type(theirs)
    again, report = class_.from_pretrained(tmp_path / 'back', output_loading_info=True)
    assert not any(report.values())
    if name != 'vit':  # a ViTMAEModel masks
        inputs = images(4 * p, 4 * p)
        same(again.eval()(inputs).last_hidden_state, theirs(inputs).last_hidden_state)
    assert run_inside('tools/model_converters/export.py', tmp_path / 'back', tmp_path / 'again.pth', '--to',
                      'official' if name in ('pixio', 'vit') else 'dinov2') == 0
    assert torch.equal(load_weights(str(tmp_path / 'again.pth'))['pos_embed'], weights['pos_embed'])


def timm_vit(name, **options):
    torch.manual_seed(1)
    model = timm.models.VisionTransformer(**{**dict(img_size=32, patch_size=8, embed_dim=32, depth=3, num_heads=2,
                                                    num_classes=0, dynamic_img_size=True), **TIMM[name], **options})
    with torch.no_grad():
        randomise(model)
    return model.eval()


@pytest.mark.parametrize('name', TIMM)
@torch.no_grad()
def test_timms_encoders_with_registers_or_layer_scale_are_the_same_in_ours(name):
    theirs = timm_vit(name)
    ours = encoder(convert(theirs.state_dict()).weights)
    for inputs in (images(32, 32), images(48, 24)):
        if name != 'registers-with-positions' or inputs.shape[2] == 32:  # timm resizes registers' positions, too
            same(tokens_of(ours, inputs), theirs.forward_features(inputs))
    assert ours.num_registers == (4 if name.startswith('registers-w') or name == 'registers' else 0)


@torch.no_grad()
def test_an_encoder_with_registers_goes_back_to_timm(tmp_path):
    theirs = timm_vit('registers')
    torch.save(theirs.state_dict(), tmp_path / 'timm.pth')
    assert run_inside('tools/model_converters/export.py', tmp_path / 'timm.pth', tmp_path / 'back.safetensors', '--to',
                      'timm') == 0
    back = load_file(tmp_path / 'back.safetensors')
    assert back.keys() == theirs.state_dict().keys()
    assert all(torch.equal(back[name], tensor) for name, tensor in theirs.state_dict().items())


def dinov2_state(registers):
    """Weights as facebookresearch/dinov2 names them, of the same function as Hugging Face's model."""
    theirs = hugging_face('dinov2-registers' if registers else 'dinov2')
    state = {name: tensor for name, tensor in convert(theirs.state_dict()).weights.items()}
    exported, _ = export(state, 'dinov2')
    return theirs, exported


@pytest.mark.parametrize('registers', [False, True])
@torch.no_grad()
def test_dinov2_files_resize_positions_as_dinov2_does(registers):
    """The official code adds .1 to the sides without registers, and antialiases with them."""
    theirs, state = dinov2_state(registers)
    assert recognise(state) == 'dinov2' and state['mask_token'].shape == (1, 32)
    assert ('register_tokens' in state) == registers
    chunked = {name.replace('blocks.', 'blocks.0.'): tensor for name, tensor in state.items()}
    for weights in (state, chunked):
        ours = encoder(convert(weights).weights)
        same(tokens_of(ours, images(56, 56)), theirs(images(56, 56)).last_hidden_state)
        rule = 'antialias' if registers else 'offset'
        assert ours.pos_resize == rule and ours.state_dict()._metadata['']['pos_resize'] == rule
        table = resize_grid(ours.pos_embed[0, 1:], (4, 4), (6, 3), rule)
        same(ours.positions((6, 3))[0, ours.num_prefix_tokens:], table)
        assert (table - resize_grid(ours.pos_embed[0, 1:], (4, 4), (6, 3))).abs().max() > 1e-3
        smaller = MAE(img_size=(84, 42), patch_size=14, embed_dims=32, num_layers=3, num_heads=2, init_values=1.,
                      num_registers=4 * registers)  # resized when loaded
        load_into(smaller, encoder_of(convert(weights).weights)[0], 'theirs')
        same(smaller.pos_embed[0, 1:], table)


def test_the_offset_is_that_of_dinov2():
    """Against facebookresearch/dinov2's arithmetic: the scale is (side + .1) / old side."""
    rows = torch.randn(16, 4)
    found = resize_grid(rows, (4, 4), (6, 3), 'offset')
    maps = rows.reshape(1, 4, 4, 4).permute(0, 3, 1, 2)
    expected = torch.nn.functional.interpolate(maps, scale_factor=(6.1 / 4, 3.1 / 4), mode='bicubic')
    assert expected.shape[2:] == (6, 3)
    same(found, expected.permute(0, 2, 3, 1).reshape(18, 4))
    assert set(RESIZING) == {'plain', 'antialias', 'offset'}


@pytest.mark.parametrize('name, reason', [
    ('blocks.0.mlp.w12.weight', 'SwiGLU'), ('encoder.layer.0.mlp.weights_in.weight', 'SwiGLU'),
    ('vision_model.pre_layrnorm.weight', 'CLIP'), ('norm_pre.weight', 'CLIP'),
    ('vision_model.head.attention.in_proj_weight', 'SigLIP'), ('attn_pool.latent', 'SigLIP'),
    ('rope_embed.periods', 'DINOv3'), ('blocks.0.attn.q_norm.weight', 'queries and keys')])
def test_what_ours_does_not_compute_is_refused_by_name(name, reason):
    state = {**timm_vit('deit3').state_dict(), name: torch.zeros(4)}
    with pytest.raises(ValueError, match=reason):
        convert(state)


def test_an_encoder_of_series_of_images_is_refused_by_name():
    state = timm_vit('deit3').state_dict()
    state['patch_embed.proj.weight'] = torch.zeros(32, 6, 1, 8, 8)
    with pytest.raises(ValueError, match='series of images, as Prithvi'):
        convert({f'encoder.{name}': tensor for name, tensor in state.items()})


@torch.no_grad()
def test_thirteen_bands_under_the_official_names_are_the_same_in_ours():
    """The files of SSL4EO-S12: facebookresearch/mae's names, patches of all bands."""
    ours = MAE(img_size=32, patch_size=8, in_channels=13, embed_dims=32, num_layers=3, num_heads=2).eval()
    randomise(ours)
    official, _ = export(ours.state_dict(), 'official')
    assert recognise(official) == 'mae' and official['patch_embed.proj.weight'].shape == (32, 13, 8, 8)
    bands = torch.randn(2, 13, 32, 32)
    same(encoder(convert(official).weights, in_channels=13)(bands)[0], ours(bands)[0])


def test_real_clip_and_siglip_towers_are_refused_by_name():
    sizes = dict(hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2, image_size=32,
                 patch_size=8)
    clip = transformers.CLIPVisionModel(transformers.CLIPVisionConfig(**sizes))
    siglip = transformers.SiglipVisionModel(transformers.SiglipVisionConfig(**sizes))
    for model, reason in ((clip, 'CLIP'), (siglip, 'SigLIP')):
        with pytest.raises(ValueError, match=reason):
            convert(model.state_dict())


@pytest.mark.parametrize('target, part, message', [
    ('timm', dict(num_cls_tokens=2), 'timm has encoders of one class token, and these weights have 2'),
    ('mmpretrain', dict(num_cls_tokens=2), 'of one class token'),
    ('dinov2', {}, 'dinov2 has encoders with layer scale (init_values), and these weights have none'),
    ('huggingface', dict(num_cls_tokens=2, init_values=1.), 'no encoders of 2 class tokens with registers or layer'),
    ('huggingface', dict(num_registers=2), 'has no names for 1 of the tensors: backbone.register')])
def test_what_a_target_has_no_encoder_for_is_one_line(target, part, message, tmp_path, capsys):
    torch.save(MAE(img_size=32, patch_size=8, embed_dims=32, num_layers=2, num_heads=2, **part).state_dict(),
               tmp_path / 'ours.pth')
    dst = tmp_path / 'dst.pth'
    assert run_inside('tools/model_converters/export.py', tmp_path / 'ours.pth', dst, '--to', target) == 2
    error = capsys.readouterr().err
    assert error.count('\n') == 1 and message in error and not dst.exists()


def test_a_model_that_lacks_tokens_is_told_which_settings_it_needs(tmp_path, capsys):
    theirs = hugging_face('dinov2-registers')
    weights = convert(theirs.state_dict()).weights
    with pytest.raises(ValueError, match='model.backbone.num_registers=4 model.backbone.init_values=1e-5'):
        load_into(MAE(img_size=56, patch_size=14, embed_dims=32, num_layers=3, num_heads=2), weights, 'theirs')
    pixio = convert(hugging_face('pixio').state_dict()).weights
    with pytest.raises(ValueError, match='cls_token is 1x3x32 where the model has 1x1x32.*num_cls_tokens=3'):
        load_into(MAE(img_size=32, patch_size=8, embed_dims=32, num_layers=3, num_heads=2), pixio, 'theirs')
    theirs.save_pretrained(tmp_path / 'theirs')
    assert run_inside('tools/inspect_checkpoint.py', tmp_path / 'theirs') == 0
    assert '4 registers; layer scale' in capsys.readouterr().out


@torch.no_grad()
def test_a_model_without_values_takes_the_files_tensors_themselves():
    weights = {name: tensor.half() if tensor.is_floating_point() else tensor
               for name, tensor in convert(hugging_face('pixio').state_dict()).weights.items()}
    sizes = dict(img_size=32, patch_size=8, embed_dims=32, num_layers=3, num_heads=2, num_cls_tokens=3)
    plain = MAE(**sizes).eval()
    with torch.device('meta'):
        empty = MAE(**sizes).eval()
    full = {name: tensor.float() for name, tensor in weights.items()}
    load_into(plain, weights, 'theirs')
    load_into(empty, full, 'theirs')
    same(empty(images(32, 32))[0], plain(images(32, 32))[0])
    assert empty.layers[0].attn.proj.weight.data_ptr() == full['layers.0.attn.proj.weight'].data_ptr()
    with torch.device('meta'):
        empty = MAE(**sizes).eval()
    load_into(empty, weights, 'theirs')
    assert {parameter.dtype for parameter in empty.parameters()} == {torch.float32}


def test_features_of_equal_weights_that_resize_positions_otherwise_are_told_apart(tmp_path):
    """A cache of an official DINOv2 file must not serve for Hugging Face's, which is resized without the offset."""
    theirs, state = dinov2_state(registers=False)
    theirs.save_pretrained(tmp_path / 'theirs')
    torch.save(state, tmp_path / 'official.pth')
    both = [FrozenEncoder(str(tmp_path / name), num_heads=2) for name in ('theirs', 'official.pth')]
    assert torch.equal(both[0].backbone.pos_embed, both[1].backbone.pos_embed) and both[0].digest != both[1].digest
