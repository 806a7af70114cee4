"""What ``compile`` of a config does."""
import copy

import pytest
import torch
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS

from mae_mm import MAE, MAEDecoder, MaskedAutoencoder
from mae_mm.config.reading import read_config
from mae_mm.engine.compiling import compile_model

from .conftest import run_inside
from .peers import TINY, randomise, segmentor

GRAPHS: list[torch.fx.GraphModule] = []


def counted(graph, example_inputs):
    """A backend of ``torch.compile`` that runs what it is given."""
    GRAPHS.append(graph)
    return graph.forward


@pytest.fixture(autouse=True)
def no_graphs():
    torch._dynamo.reset()
    GRAPHS.clear()


def pretrainer():
    return MaskedAutoencoder(MAE(img_size=64, embed_dims=16, num_layers=2, num_heads=2),
                             MAEDecoder(embed_dims=16, num_layers=1, num_heads=2))


def test_pretraining_is_one_graph():
    """Also with other masks, and what is compiled draws as what is not."""
    model, images = pretrainer(), torch.randn(2, 3, 64, 64)
    plain = copy.deepcopy(model)
    compile_model(model, backend=counted, fullgraph=True)
    for seed in range(3):
        losses = []
        for each in (model, plain):
            torch.manual_seed(seed)
            losses.append(each.loss(images)['loss'])
        torch.testing.assert_close(*losses)
    losses[0].backward()
    assert len(GRAPHS) == 1 and set(model.state_dict()) == set(plain.state_dict())


@pytest.mark.parametrize('training', [True, False])
def test_segmentation_is_a_graph_for_each_part(training):
    init_default_scope('mmseg')
    model = segmentor(dict(type='mae_mm.MAE', img_size=64, rel_pos_bias=True, init_values=1., **TINY),
                      type_='mae_mm.EncoderDecoder')
    model.decode_head = MODELS.build(dict(
        type='mae_mm.UPerHead', in_channels=[48] * 4, in_index=[0, 1, 2, 3], channels=16, num_classes=5,
        norm_cfg=dict(type='BN'), align_corners=False, dropout_ratio=0.))
    randomise(model)
    model.train(training)
    plain = copy.deepcopy(model)
    compile_model(model, backend=counted, fullgraph=True)
    for _ in range(3):
        images = torch.randn(2, 3, 64, 64)
        with torch.set_grad_enabled(training):
            torch.testing.assert_close(*(each.decode_head(each.extract_feat(images)) for each in (model, plain)))
    assert len(GRAPHS) == 3  # backbone, neck, head


def test_a_copy_of_a_compiled_model_computes_with_its_own_weights():
    model, images = MAE(img_size=64, embed_dims=16, num_layers=2, num_heads=2), torch.randn(1, 3, 64, 64)
    compile_model(model, backend=counted)
    before = model(images)[0]
    other = copy.deepcopy(model)
    torch.nn.init.zeros_(other.patch_embed.projection.weight)
    assert not torch.allclose(other(images)[0], before)
    torch.testing.assert_close(model(images)[0], before)


def test_a_config_compiles_training_and_test(config, tmp_path, monkeypatch):
    """The results are those of a run that is not compiled."""
    compiled = tmp_path / 'compiled.py'
    compiled.write_text(f"_base_ = ['{config}']\ncompile = dict(backend='eager')\n")
    calls = []
    monkeypatch.setattr('mae_mm.engine.runner.compile_model',
                        lambda model, **options: calls.append(options) or compile_model(model, **options))
    weights = []
    for path in (config, compiled):
        work_dir = tmp_path / path.stem
        assert run_inside('tools/train.py', path, '--work-dir', work_dir, '--cfg-options', 'train_cfg.max_iters=2',
                          'train_cfg.val_interval=9') == 0
        assert run_inside('tools/test.py', path, work_dir / 'iter_2.pth', '--work-dir', work_dir) == 0
        weights.append(torch.load(work_dir / 'iter_2.pth')['state_dict'])
    assert calls == [dict(backend='eager')] * 2
    for name, tensor in weights[0].items():
        torch.testing.assert_close(weights[1][name], tensor, rtol=1e-3, atol=1e-4, msg=name)


def test_compiling_is_asked_for_on_the_command_line():
    assert read_config('pretrain/mae_vit_folder', {'compile': True}).compile is True
    assert read_config('pretrain/mae_vit_folder', {'compile': {'mode': 'reduce-overhead'}}).compile == {
        'mode': 'reduce-overhead'}


def test_options_of_compiling_that_nobody_reads_are_refused(config, tmp_path, error_of):
    for value, message in (("dict(made='max-autotune')", 'compile.made: nothing reads'),
                           ("'yes'", "compile='yes' is not True, False")):
        path = tmp_path / 'odd.py'
        path.write_text(f"_base_ = ['{config}']\ncompile = {value}\n")
        assert message in error_of('tools/train.py', path, '--work-dir', tmp_path / 'w')
