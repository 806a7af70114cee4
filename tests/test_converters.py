"""The command line tools that convert and look at checkpoints."""
import pytest
import torch

from mae_mm.checkpoint import load_weights, read_checkpoint, recognise, write_checkpoint
from mae_mm.config import find_config
from mae_mm.models import MAE

from . import official
from .conftest import run_inside
from .foreign import build
from .hostile import Call

INSPECT = 'tools/inspect_checkpoint.py'
SIZES = dict(img_size=(16, 48), patch_size=8, embed_dims=32, num_layers=2, num_heads=2)


def inspected(capsys, path, status=0):
    """What the tool prints of a checkpoint: title -> text."""
    capsys.readouterr()
    assert run_inside(INSPECT, path) == status
    return dict(line.split(':', 1) for line in capsys.readouterr().out.splitlines())


def test_inspection_tells_what_a_file_holds(tmp_path, capsys):
    torch.save({'model': official.mae_weights(), 'optimizer': {}, 'epoch': 3}, tmp_path / 'mae.pth')
    lines = {title: text.strip() for title, text in inspected(capsys, tmp_path / 'mae.pth').items()}
    assert lines['format'] == 'mae' and lines['grid'] == '4x4 patches'
    assert lines['encoder'] == 'width 32, 2 layers, number of heads unknown; patch 8, 3 channels'
    assert lines['decoder'] == 'width 16, 2 layers, number of heads unknown'
    assert lines['training state'] == 'optimizer, epoch' and lines['classifier'] == 'no'
    assert lines['parameters'].startswith(f'{sum(map(torch.numel, official.mae_weights().values())):,} in 62')
    assert len(lines['sha256']) == 64 and lines['config'].startswith('none has width 32 and 2 layers')


def test_inspection_reads_every_kind_of_source(tmp_path, capsys):
    build('huggingface-classifier').model.save_pretrained(tmp_path / 'hf')
    lines = inspected(capsys, tmp_path / 'hf')
    assert '7 classes' in lines['classifier'] and '2 heads' in lines['encoder'] and 'safetensors' in lines['file']
    write_checkpoint(MAE(**SIZES, rel_pos_bias=True, init_values=1.).state_dict(), str(tmp_path / 'a.safetensors'))
    lines = inspected(capsys, tmp_path / 'a.safetensors')
    assert '2x6' in lines['grid'] and lines['encoder'].endswith('relative position bias; layer scale')


def test_a_published_size_is_given_its_config(tmp_path, capsys):
    with torch.device('meta'):
        model = MAE(arch='base')
    state = {name: torch.zeros(()).expand(tensor.shape) for name, tensor in model.state_dict().items()}
    torch.save({name: tensor.to(torch.float16).contiguous() for name, tensor in state.items()}, tmp_path / 'base.pth')
    lines = inspected(capsys, tmp_path / 'base.pth')
    assert 'ViT-base, width 768, 12 layers, 12 heads; patch 16' in lines['encoder']
    assert find_config(lines['config'].strip())


def test_a_published_classifier_is_given_its_config(tmp_path, capsys):
    with torch.device('meta'):
        model = MAE(arch='base', out_type='avg_featmap')
    state = {f'backbone.{name}': torch.zeros(tensor.shape, dtype=torch.float16)
             for name, tensor in model.state_dict().items()}
    for classes, told in ((1000, 'finetune/vit-base-p16_8xb128-coslr-100e_in1k'),
                          (7, 'finetune/vit_folder --cfg-options arch=base')):
        state['head.fc.weight'] = torch.zeros(classes, 768)
        torch.save({**state, 'head.fc.bias': torch.zeros(classes)}, tmp_path / 'base.pth')
        lines = inspected(capsys, tmp_path / 'base.pth')
        assert lines['config'].strip() == told


@pytest.mark.parametrize('suffix', ['pth', 'safetensors'])
def test_the_converter_takes_and_writes_every_kind_of_file(suffix, tmp_path, capsys):
    build('huggingface-pretraining').model.save_pretrained(tmp_path / 'hf')
    dst = tmp_path / f'ours.{suffix}'
    assert run_inside('tools/model_converters/beit2mmseg.py', tmp_path / 'hf', dst) == 0
    assert '(huggingface): 30 tensors renamed, 0 kept, 32 dropped; written to' in capsys.readouterr().out
    weights = load_weights(str(dst))
    assert recognise(weights) == 'mae_mm' and weights._metadata['']['num_heads'] == 2


def test_trust_is_the_only_way_to_read_what_asks_for_more(tmp_path, capsys):
    marker = tmp_path / 'ran'
    torch.save({'model': official.mae_weights(), 'args': Call(type(marker).touch, marker)}, tmp_path / 'a.pth')
    tool = 'tools/model_converters/beit2mmseg.py'
    assert run_inside(tool, tmp_path / 'a.pth', tmp_path / 'b.pth') == 2
    assert 'mae-mm convert SRC DST --trust' in capsys.readouterr().err
    assert not marker.exists() and not (tmp_path / 'b.pth').exists()
    assert run_inside(tool, tmp_path / 'a.pth', tmp_path / 'b.pth', '--trust') == 0
    assert marker.exists() and read_checkpoint(str(tmp_path / 'b.pth'))


@pytest.mark.parametrize('break_it, says', [
    (lambda folder: (folder / 'config.json').write_text('{"image_size": "large", "patch_size": 8}'), 'config.json'),
    (lambda folder: (folder / 'config.json').write_text('{'), 'config.json is not a model'),
    (lambda folder: (folder / 'config.json').unlink(), 'is not a model folder'),
    (lambda folder: (folder / 'model.safetensors').unlink(), 'is not a model folder'),
    (lambda folder: (folder / 'model.safetensors').write_bytes(b'?'), 'model.safetensors is not a safetensors file'),
])
def test_a_broken_folder_is_one_line(break_it, says, tmp_path):
    build('huggingface-encoder').model.save_pretrained(tmp_path)
    break_it(tmp_path)
    with pytest.raises(ValueError, match=says):
        load_weights(str(tmp_path))
