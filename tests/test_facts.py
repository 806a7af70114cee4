"""What files tell beside their weights: followed, stored, written for others, or refused with what makes it fit."""
import json

import pytest
import torch
import transformers
from safetensors.torch import load_file

from mae_mm.checkpoint import load_into, load_weights, write_checkpoint
from mae_mm.checkpoint.loading import start_from
from mae_mm.errors import InputError
from mae_mm.models import MAE, MAEDecoder, MaskedAutoencoder

from . import official
from .conftest import run_inside
from .foreign import DECODER, HF, NOISE, SIZES, build, images, logits, pixels, tokens
from .peers import randomise


def changed(folder, **facts):
    """Change a folder's config.json."""
    path = folder / 'config.json'
    path.write_text(json.dumps({**json.loads(path.read_text()), **facts}))
    return folder


def saved(name, folder, **facts):
    build(name).model.save_pretrained(folder)
    return changed(folder, **facts)


def small(model):
    """Let what layer norms read be so small that their eps matters."""
    with torch.no_grad():
        randomise(model)
        for name, parameter in model.named_parameters():
            if any(part in name for part in ('embed', 'cls_token', 'proj.', 'fc2', 'o_proj', 'dense')):
                parameter.mul_(1e-3)
    return model.eval()


def pretrainer(**options):
    model = MaskedAutoencoder(MAE(**{**SIZES, **options.pop('sizes', {})}), MAEDecoder(**DECODER), **options)
    with torch.no_grad():
        randomise(model)
    return model.eval()


@pytest.mark.parametrize('name', ['relu', 'gelu_new', 'gelu_pytorch_tanh', 'quick_gelu', 7, None])
def test_an_activation_that_is_not_computed_is_refused_by_name(name, tmp_path, capsys):
    folder = saved('huggingface-encoder', tmp_path, hidden_act=name)
    with pytest.raises(InputError, match=f'hidden_act={name}, an activation that these models do not compute'):
        load_weights(str(folder))
    capsys.readouterr()  # transformers' progress
    for args in (('inspect', folder), ('convert', folder, tmp_path / 'dst.pth')):
        assert run_inside(*args) == 2 and capsys.readouterr().err.count('\n') == 1
    load_weights(str(changed(folder, hidden_act='gelu_python')))


@torch.no_grad()
@pytest.mark.parametrize('eps', [1e-12, 1e-2])
def test_the_eps_of_layer_norms_is_followed_there_and_back(eps, tmp_path):
    config = transformers.ViTMAEConfig(**HF, layer_norm_eps=eps, decoder_hidden_size=16, decoder_num_hidden_layers=2,
                                       decoder_num_attention_heads=4, decoder_intermediate_size=64)
    peer = small(transformers.ViTMAEForPreTraining(config))
    peer.save_pretrained(tmp_path / 'hf')
    expected = peer(images(), noise=NOISE).logits
    weights = load_weights(str(tmp_path / 'hf'))
    torch.testing.assert_close(pixels(weights), expected, rtol=0, atol=1e-5)
    del weights._metadata['backbone']['norm_eps'], weights._metadata['decoder']['norm_eps']
    assert (pixels(weights) - expected).abs().max() > 1e-3  # it matters here

    for suffix in ('pth', 'safetensors'):  # through a file of ours, whole, to Hugging Face again
        assert run_inside('convert', tmp_path / 'hf', tmp_path / f'ours.{suffix}', '--whole') == 0
        assert run_inside('convert', tmp_path / f'ours.{suffix}', tmp_path / suffix, '--to', 'huggingface') == 0
        again = transformers.ViTMAEForPreTraining.from_pretrained(tmp_path / suffix)
        assert again.config.layer_norm_eps == eps and again.config.norm_pix_loss is False
        torch.testing.assert_close(again(images(), noise=NOISE).logits, expected, rtol=0, atol=1e-5)


def test_a_model_that_was_loaded_stores_the_eps_and_inspection_tells_it(tmp_path, capsys):
    weights = load_weights(str(saved('huggingface-pretraining', tmp_path, layer_norm_eps=1e-12)))
    model = pretrainer(norm_pix=False)
    load_into(model, weights, 'hf')
    assert {part.eps for part in model.modules() if isinstance(part, torch.nn.LayerNorm)} == {1e-12}
    torch.save(model.state_dict(), tmp_path / 'a.pth')
    again = pretrainer(norm_pix=False)
    again.load_state_dict(torch.load(tmp_path / 'a.pth'))
    assert again.backbone.ln1.eps == again.decoder.layers[0].ln2.eps == 1e-12
    capsys.readouterr()
    assert run_inside('inspect', tmp_path / 'a.pth') == 0
    told = capsys.readouterr().out
    assert told.count('layer norm eps 1e-12') == 2 and 'of patches as they are' in told


@pytest.mark.parametrize('facts', [dict(layer_norm_eps='small'), dict(layer_norm_eps=0), dict(layer_norm_eps=-1e-6),
                                   dict(num_attention_heads=0), dict(image_size=0), dict(patch_size=0),
                                   dict(id2label=[1]), dict(id2label={'7': 'a'}), dict(layer_norm_eps=float('nan'))])
def test_a_config_of_nonsense_is_one_line(facts, tmp_path):
    with pytest.raises(InputError, match='config.json is not a model'):
        load_weights(str(saved('huggingface-encoder', tmp_path, **facts)))


def test_what_a_decoder_predicts_is_compared_where_the_file_decides(tmp_path):
    source = pretrainer(norm_pix=False)
    write_checkpoint(source.state_dict(), str(tmp_path / 'a.safetensors'))
    weights = load_weights(str(tmp_path / 'a.safetensors'))
    assert weights._metadata[''] == dict(norm_pix=False)
    load_into(pretrainer(norm_pix=False), weights, 'a')
    with pytest.raises(InputError, match='predicts unnormalised patches, .* set model.norm_pix=False'):
        load_into(pretrainer(), weights, 'a')
    start_from(pretrainer(), weights, 'a')  # training may predict something else from here on


@torch.no_grad()
@pytest.mark.parametrize('norm_pix', [True, False])
def test_hugging_face_computes_the_same_loss(norm_pix, tmp_path):
    model = pretrainer(norm_pix=norm_pix)
    torch.save(model.state_dict(), tmp_path / 'a.pth')
    assert run_inside('convert', tmp_path / 'a.pth', tmp_path / 'hf', '--to', 'huggingface') == 0
    peer = transformers.ViTMAEForPreTraining.from_pretrained(tmp_path / 'hf')
    assert peer.config.norm_pix_loss is norm_pix and peer.config.layer_norm_eps == 1e-6
    loss = model.loss(images(), ids_shuffle=NOISE.argsort(dim=1))['loss']
    torch.testing.assert_close(peer(images(), noise=NOISE).loss, loss)


@torch.no_grad()
def test_class_names_go_to_hugging_face_and_back(tmp_path, capsys):
    names = [f'bird {i}' for i in range(7)]
    torch.save(dict(state_dict=official.mae_weights('norm'), meta=dict(dataset_meta=dict(classes=names))),
               tmp_path / 'a.pth')
    heads = ['--num-heads', 2]
    assert run_inside('convert', tmp_path / 'a.pth', tmp_path / 'hf', '--to', 'huggingface', *heads) == 0
    peer = transformers.ViTForImageClassification.from_pretrained(tmp_path / 'hf')
    assert peer.config.id2label == dict(enumerate(names)) and peer.config.label2id['bird 6'] == 6
    torch.testing.assert_close(peer(images()).logits, logits(load_weights(str(tmp_path / 'a.pth'))), rtol=0, atol=1e-5)
    assert run_inside('convert', tmp_path / 'hf', tmp_path / 'again', '--to', 'huggingface') == 0
    assert transformers.AutoConfig.from_pretrained(tmp_path / 'again').id2label == dict(enumerate(names))
    capsys.readouterr()
    assert run_inside('inspect', tmp_path / 'hf') == 0
    assert 'classes:            7: bird 0, bird 1, bird 2 and 4 more' in capsys.readouterr().out
    torch.save(dict(state_dict=official.mae_weights('norm'), meta=dict(dataset_meta=dict(classes=['one']))),
               tmp_path / 'b.pth')
    assert run_inside('convert', tmp_path / 'b.pth', tmp_path / 'other', '--to', 'huggingface', *heads) == 2
    assert 'names 1 classes, and its head has 7' in capsys.readouterr().err


@torch.no_grad()
def test_rectangles_go_to_hugging_face_where_it_can_build_them(tmp_path, capsys):
    torch.save(pretrainer(sizes=dict(img_size=(16, 64))).state_dict(), tmp_path / 'a.pth')
    assert run_inside('convert', tmp_path / 'a.pth', tmp_path / 'hf', '--to', 'huggingface') == 2
    error = capsys.readouterr().err
    assert 'ViTMAEForPreTraining is built for squares alone, and these weights are of 2x8 patches' in error
    assert not (tmp_path / 'hf').exists()
    torch.save(official.mae_weights('norm'), tmp_path / 'b.pth')
    options = ['--grid', 2, 8, '--num-heads', 2]
    assert run_inside('convert', tmp_path / 'b.pth', tmp_path / 'hf', '--to', 'huggingface', *options) == 0
    peer = transformers.ViTForImageClassification.from_pretrained(tmp_path / 'hf')
    wide = torch.randn(1, 3, 16, 64, generator=torch.Generator().manual_seed(1))
    weights = load_weights(str(tmp_path / 'hf'))
    assert weights._metadata['backbone'] == dict(grid=(2, 8), num_heads=2, norm_eps=1e-6)
    expected = peer.vit(wide).last_hidden_state
    model = MAE(**{**SIZES, 'img_size': (16, 64)})
    encoder = {name.removeprefix('backbone.'): tensor for name, tensor in weights.items() if 'head' not in name}
    model.load_state_dict(encoder)
    torch.testing.assert_close(model.eval().encode(wide, torch.arange(16)[None]), expected, rtol=0, atol=1e-5)


@torch.no_grad()
def test_an_encoder_written_by_the_converter_is_the_peers(tmp_path):
    peer = build('huggingface-encoder')
    peer.model.save_pretrained(tmp_path / 'hf')
    assert run_inside('convert', tmp_path / 'hf', tmp_path / 'a.safetensors') == 0
    assert load_file(tmp_path / 'a.safetensors')
    torch.testing.assert_close(tokens(load_weights(str(tmp_path / 'a.safetensors'))), peer.run(peer.model), rtol=0,
                               atol=1e-5)
