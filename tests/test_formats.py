"""Weights of other projects compute the same in ours, and ours in theirs."""
import pytest
import torch
from safetensors.torch import load_file

from mae_mm.checkpoint import convert, export, load_into, load_weights, recognise, write_checkpoint
from mae_mm.checkpoint.describing import describe
from mae_mm.checkpoint.loading import in_full, start_from
from mae_mm.models import MAE, MAEDecoder, MaskedAutoencoder
from mae_mm.models.position import relative_position_index

from . import official
from .conftest import run_inside
from .foreign import DECODER, PEERS, SIZES, build, images, logits, maps, pixels
from .peers import randomise, segmentor

EXPORT = 'tools/model_converters/export.py'


def save(name, peer, folder):
    """Save a peer as its project does; the path."""
    if name.startswith('huggingface'):
        peer.model.save_pretrained(folder / 'model')
        return folder / 'model'
    torch.save({'state_dict': peer.model.state_dict()}, folder / 'model.pth')
    return folder / 'model.pth'


def same(found, expected):
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize('name', PEERS)
@torch.no_grad()
def test_a_peers_weights_compute_the_same_in_ours_and_back_in_the_peer(name, tmp_path):
    peer = build(name)
    expected = peer.run(peer.model)
    assert expected.std() > 1e-2
    path = save(name, peer, tmp_path)
    same(peer.ours(load_weights(str(path))), expected)

    target = name.split('-')[0]
    dst = tmp_path / ('back' if target == 'huggingface' else 'back.safetensors')
    assert run_inside(EXPORT, path, dst, '--to', target) == 0
    again = build('mmseg-MAE' if target == 'mmseg' else name, seed=1)
    if target == 'huggingface':
        again.model, report = type(again.model).from_pretrained(dst, output_loading_info=True)
        assert not any(report.values())
    else:
        missing, unexpected = again.model.load_state_dict(load_file(dst), strict=False)
        assert not unexpected and all(name.endswith('relative_position_index') for name in missing)
    same(again.run(again.model), expected)


@pytest.mark.parametrize('kind', ['MAE', 'BEiT'])
@torch.no_grad()
def test_a_segmentor_of_mmsegmentation_computes_the_same_in_ours_and_back(kind):
    def built(type_, **options):
        sizes = {**SIZES, 'num_layers': 4, 'out_indices': [0, 1, 2, 3]}
        model = segmentor(dict(type=type_, **sizes, init_values=1., **options), 32)
        randomise(model)
        return model.eval()

    eps = dict(norm_cfg=dict(type='LN', eps=1e-6))
    peer, ours = built(kind, **eps), built('mae_mm.MAE', rel_pos_bias=True, final_norm=False)
    expected = peer(images())
    assert expected.std() > 1e-2
    load_into(ours, convert(peer.state_dict()).weights, 'peer')
    same(ours(images()), expected)
    back, aside = export(ours.state_dict(), 'mmseg')
    again = built('MAE', **eps)
    missing, unexpected = again.load_state_dict(back, strict=False)
    assert not aside and not unexpected and all(name.endswith('relative_position_index') for name in missing)
    same(again(images()), expected)


@torch.no_grad()
def test_official_pretraining_weights_compute_what_the_official_code_does():
    weights = official.mae_weights()
    ours = convert(weights).weights
    same(pixels(ours)[0, ::5, :5], torch.tensor(official.MAE_PREDICTION))
    back, aside = export(ours, 'official')
    assert not aside and set(back) == set(weights)
    assert all(torch.equal(back[name], tensor) for name, tensor in weights.items())


@pytest.mark.parametrize('norm', ['norm', 'fc_norm'])
@torch.no_grad()
def test_official_classifiers_compute_what_the_official_code_does(norm):
    weights = official.mae_weights(norm)
    ours = convert(weights).weights
    same(logits(ours), torch.tensor(official.MAE_LOGITS[norm]))
    back, _ = export(ours, 'official')
    assert set(back) == set(weights) and all(torch.equal(back[name], tensor) for name, tensor in weights.items())


@torch.no_grad()
def test_beit_computes_what_the_official_code_does():
    finetuned = convert(official.beit_weights('finetuned'))
    assert finetuned.format == 'beit' and not finetuned.dropped
    same(logits(finetuned.weights), torch.tensor(official.BEIT_LOGITS))
    index = relative_position_index((4, 4), torch.device('cpu'))
    pretrained = convert({**official.beit_weights('pretrained'), 'rel_pos_bias.relative_position_index': index})
    assert all(name.startswith(('lm_head', 'cls_pt', 'mask_token', 'rel_pos_bias')) for name in pretrained.dropped)
    assert pretrained.weights._metadata[''] == dict(grid=(4, 4))
    patches = maps(pretrained.weights)[0].flatten(1).T  # without the class token, the first
    same(patches[4::5, :5], torch.tensor(official.BEIT2_TOKENS[1:]))


@pytest.mark.parametrize('name, format_', [
    ('timm-mae', 'mae'), ('timm-scaled', 'timm'), ('huggingface-encoder', 'huggingface'), ('mmseg-BEiT', 'mmseg'),
    ('mmpretrain-mean', 'mmpretrain'), ('mmpretrain-pretraining', 'mmpretrain')])
def test_formats_are_recognised(name, format_):
    assert recognise(build(name).model.state_dict()) == format_


def test_a_rectangle_is_not_taken_for_a_square_without_a_class_position():
    """24 patches and a class token have 25 positions, as 5 x 5 patches have."""
    model = MAE(img_size=(32, 48), patch_size=8, embed_dims=16, num_layers=1, num_heads=2)
    told = describe(convert(dict(model.state_dict())).weights)
    assert told.backbone.grid is None and convert(dict(model.state_dict())).weights['pos_embed'].shape == (1, 25, 16)


def test_a_models_own_weights_are_not_converted():
    """mmpretrain's names stay mmpretrain's in a model of mmpretrain."""
    peer = build('mmpretrain-classifier').model
    state = peer.state_dict()
    assert list(convert(state, own=state).weights) == list(state)
    load_into(build('mmpretrain-classifier', seed=1).model, convert(state, own=state).weights, 'own')
    with pytest.raises(ValueError, match='weights that are not finite: head.layers.head.bias'):
        convert({**state, 'head.layers.head.bias': torch.tensor([torch.nan])}, own=state)


@pytest.mark.parametrize('target', ['official', 'timm', 'huggingface', 'mmpretrain'])
def test_what_a_target_cannot_hold_is_one_line_and_nothing_is_written(target, tmp_path, capsys):
    torch.save(MAE(**SIZES, rel_pos_bias=True).state_dict(), tmp_path / 'ours.pth')
    dst = tmp_path / 'dst.pth'
    assert run_inside('tools/model_converters/export.py', tmp_path / 'ours.pth', dst, '--to', target) == 2
    error = capsys.readouterr().err
    assert error.count('\n') == 1
    assert f'the {target} format has no names for 2 of the tensors: backbone.layers.0.attn.relative_p' in error
    assert not dst.exists()


def test_a_model_without_last_norm_does_not_go_to_hugging_face(tmp_path, capsys):
    torch.save(MAE(**SIZES, final_norm=False).state_dict(), tmp_path / 'ours.pth')
    tool = 'tools/model_converters/export.py'
    assert run_inside(tool, tmp_path / 'ours.pth', tmp_path / 'dst', '--to', 'huggingface') == 2
    assert 'these weights have none (backbone.ln1)' in capsys.readouterr().err and not (tmp_path / 'dst').exists()


@pytest.mark.parametrize('suffix', ['pth', 'safetensors'])
def test_official_files_are_written_as_the_official_ones_are(suffix, tmp_path):
    torch.save(pretrainer().state_dict(), tmp_path / 'ours.pth')
    dst = tmp_path / f'official.{suffix}'
    assert run_inside('tools/model_converters/export.py', tmp_path / 'ours.pth', dst, '--to', 'official') == 0
    written = load_file(dst) if suffix == 'safetensors' else torch.load(dst, weights_only=True)['model']
    assert set(written) == set(official.mae_weights())


def pretrainer(**sizes):
    model = MaskedAutoencoder(MAE(**{**SIZES, **sizes}), MAEDecoder(**DECODER))
    with torch.no_grad():
        randomise(model)
    return model


def test_a_decoder_is_left_out_where_there_is_no_place_for_it():
    back, aside = export(pretrainer().state_dict(), 'timm')
    assert len(back) == 30 and len(aside) == 32 and all(name.startswith('decoder.') for name in aside)


@pytest.mark.parametrize('suffix', ['pth', 'safetensors'])
def test_ours_are_written_and_read_whole(suffix, tmp_path):
    model = pretrainer(img_size=(16, 64))
    write_checkpoint(model.state_dict(), str(tmp_path / f'a.{suffix}'))
    again = pretrainer(img_size=(16, 64))
    torch.nn.init.zeros_(again.backbone.pos_embed)
    load_into(again, load_weights(str(tmp_path / f'a.{suffix}')), 'a')
    assert all(torch.equal(tensor, again.state_dict()[name]) for name, tensor in model.state_dict().items())


def test_training_starts_from_the_parts_that_a_file_has():
    """``load_from``: a pre-training file into a segmentor, and an encoder into a pre-trainer."""
    weights = convert(official.mae_weights()).weights
    model = segmentor(dict(type='mae_mm.MAE', **SIZES, rel_pos_bias=True, final_norm=False,
                           out_indices=[0, 0, 1, 1]), embed_dims=32)
    head = model.decode_head.conv_seg.weight.clone()
    start_from(model, weights, 'mae.pth')
    assert torch.equal(model.backbone.pos_embed, weights['backbone.pos_embed'])
    assert torch.equal(model.decode_head.conv_seg.weight, head)
    encoder = convert(official.mae_weights('norm')).weights
    start_from(pretrainer(), in_full(encoder), 'mae.pth')
    del weights['backbone.layers.1.ln1.weight']
    with pytest.raises(ValueError, match='missing: backbone.layers.1.ln1.weight'):
        start_from(model, weights, 'mae.pth')
