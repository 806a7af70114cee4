"""Weights of other projects compute the same in ours, and ours in theirs."""
import pytest
import torch
from safetensors.torch import load_file

from mae_mm.checkpoint import load_weights

from .conftest import run_inside
from .foreign import PEERS, build

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
    heads = ['--num-heads', 2, '--decoder-num-heads', 4] if target == 'huggingface' else []
    assert run_inside(EXPORT, path, dst, '--to', target, *heads) == 0
    again = build('mmseg-MAE' if target == 'mmseg' else name, seed=1)
    if target == 'huggingface':
        again.model, report = type(again.model).from_pretrained(dst, output_loading_info=True)
        assert not any(report.values())
    else:
        missing, unexpected = again.model.load_state_dict(load_file(dst), strict=False)
        assert not unexpected and all(name.endswith('relative_position_index') for name in missing)
    same(again.run(again.model), expected)
