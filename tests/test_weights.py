"""Tensors that are not what their names say: a line with the name, from everything that reads or writes weights."""
import pytest
import torch

from mae_mm.checkpoint import convert, export, load_into, load_weights
from mae_mm.checkpoint.tables import TARGETS
from mae_mm.errors import InputError
from mae_mm.models import MAE, MAEDecoder, MaskedAutoencoder

from . import official
from .conftest import run_inside
from .foreign import DECODER, SIZES

QKV = 'blocks.1.attn.qkv.weight'
OURS = 'layers.1.attn.qkv.weight'
# What becomes of a tensor -> what is said of it.
CHANGES = {
    'int8': (lambda tensor: (tensor * 100).to(torch.int8), r'not floating-point numbers: {} .int8'),
    'int64': (lambda tensor: tensor.long(), r'not floating-point numbers: {} .int64'),
    'bool': (lambda tensor: tensor > 0, r'not floating-point numbers: {} .bool'),
    'scalar': (lambda tensor: tensor[0, 0].clone(), r'do not fit each other: {} is a scalar, not 96x32'),
    'transposed': (lambda tensor: tensor.T.contiguous(), r'do not fit each other: {} is 32x96, not 96x32'),
    'empty': (lambda tensor: tensor[:0].clone(), 'empty tensors: {}'),
    'no columns': (lambda tensor: tensor[:, :0].clone(), 'empty tensors: {}'),
    'complex': (lambda tensor: tensor.to(torch.complex64), 'not plain numbers: {} .complex'),
    'sparse': (lambda tensor: tensor.to_sparse(), 'not plain numbers: {} .sparse'),
    'quantised': (lambda tensor: torch.quantize_per_tensor(tensor, .1, 0, torch.qint8),
                  'not plain numbers: {} .quantised'),
    'without values': (lambda tensor: tensor.to('meta'), 'not plain numbers: {} .without values'),
}


def weights(name, change, source=None):
    state = dict(source or official.mae_weights('norm'))
    state[name] = CHANGES[change][0](state[name])
    return state


@pytest.mark.parametrize('change', CHANGES)
def test_converters_refuse_a_tensor_by_its_name(change, tmp_path, capsys):
    says = CHANGES[change][1].format(QKV)
    with pytest.raises(InputError, match=says) as error:
        convert(weights(QKV, change))
    assert '\n' not in str(error.value)
    torch.save(weights(QKV, change), tmp_path / 'a.pth')
    with pytest.raises(InputError, match=rf'a.pth.*{QKV}'):
        load_weights(str(tmp_path / 'a.pth'))
    for tool, *options in (('convert', tmp_path / 'dst.pth'), ('convert', tmp_path / 'dst', '--to', 'huggingface'),
                           ('inspect', )):
        assert run_inside(tool, tmp_path / 'a.pth', *options) == 2
        told = capsys.readouterr().err
        assert told.count('\n') == 1 and QKV in told and 'Traceback' not in told
    assert not list(tmp_path.glob('dst*'))


@pytest.mark.parametrize('target', TARGETS)
@pytest.mark.parametrize('change', CHANGES)
def test_exporters_refuse_a_tensor_by_its_name(change, target):
    state = weights(OURS, change, MAE(**SIZES).state_dict())
    with pytest.raises(InputError, match=CHANGES[change][1].format(f'backbone.{OURS}')):
        export(state, target)


@pytest.mark.parametrize('change', CHANGES)
def test_models_refuse_a_tensor_by_its_name_and_load_nothing(change):
    model = MAE(**SIZES)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    with pytest.raises(InputError, match=f'a.pth.*{OURS}'):
        load_into(model, weights(OURS, change, before), 'a.pth')
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


@pytest.mark.parametrize('name', ['pos_embed', 'cls_token', 'patch_embed.proj.weight', 'blocks.0.norm1.weight',
                                  'blocks.0.mlp.fc1.bias', 'decoder_pred.weight', 'mask_token',
                                  'decoder_blocks.1.attn.qkv.bias'])
@pytest.mark.parametrize('change', [lambda tensor: tensor.flatten()[0].clone(), lambda tensor: tensor[None],
                                    lambda tensor: torch.cat([tensor, tensor], dim=-1)])
def test_every_shape_is_looked_at(name, change):
    state = official.mae_weights()
    state[name] = change(state[name])
    with pytest.raises(InputError, match='weights whose shapes do not fit each other|series of images'):
        convert(state)


@pytest.mark.parametrize('name', ['blocks.0.attn.relative_position_bias_table', 'blocks.1.attn.q_bias',
                                  'blocks.0.gamma_1'])
@pytest.mark.parametrize('shape', [(), (0, ), (1, 2, 3)])
def test_beits_shapes_are_looked_at(name, shape):
    with pytest.raises(InputError, match=name):
        convert({**official.beit_weights('finetuned'), name: torch.ones(shape)})


@pytest.mark.parametrize('kind', [torch.bool, torch.uint8, torch.float32, torch.complex64])
def test_an_index_of_another_type_is_no_index(kind):
    state = {**MAE(**SIZES, rel_pos_bias=True).state_dict(),
             'layers.0.attn.relative_position_index': torch.ones(17, 17, dtype=kind)}
    if kind is torch.complex64:
        with pytest.raises(InputError, match='relative_position_index .complex'):
            convert(state)
    else:
        assert convert(state).dropped == ['layers.0.attn.relative_position_index']


def test_weights_under_two_names_or_with_a_hole_are_refused():
    state = dict(MAE(**SIZES).state_dict())
    with pytest.raises(InputError, match='cls_token and backbone.cls_token are the same weights under two names'):
        convert({**state, 'backbone.cls_token': state['cls_token']})
    with pytest.raises(InputError, match='backbone: layer 7 is there, and only 3 layers are'):
        convert({**state, 'layers.7.ln1.weight': state['layers.1.ln1.weight']})


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_floating_point_numbers_of_every_length_are_taken(dtype):
    state = {name: tensor.to(dtype) for name, tensor in official.mae_weights().items()}
    done = convert(state).weights
    assert all(tensor.dtype == dtype for tensor in done.values())
    model = MaskedAutoencoder(MAE(**SIZES), MAEDecoder(**DECODER))
    load_into(model, done, 'a.pth')
    assert torch.equal(model.backbone.cls_token, state['cls_token'].float())
    export(done, 'huggingface')


@pytest.mark.parametrize('name', ['patch_embed.projection.weight', 'decoder.pred.bias', 'decoder.pred.weight'])
@pytest.mark.parametrize('change', [lambda tensor: tensor.long(), lambda tensor: tensor.flatten()[0].clone()])
def test_bands_are_taken_of_nothing_but_weights(name, change):
    model = MaskedAutoencoder(MAE(**SIZES, in_channels=4), MAEDecoder(**DECODER))
    state = dict(MaskedAutoencoder(MAE(**SIZES), MAEDecoder(**DECODER)).state_dict())
    name = name if name in state else f'backbone.{name}'
    state[name] = change(state[name])
    with pytest.raises(InputError, match=f'a.pth.*{name}'):
        load_into(model, state, 'a.pth', bands=[0, 1, 2, None])
