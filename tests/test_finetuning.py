"""The official recipes: groups, rates, steps and settings."""
import json
import math

import pytest
import torch
from mmengine.optim import OptimWrapper
from mmengine.registry import init_default_scope
from mmpretrain.registry import MODELS, OPTIMIZERS
from torch import nn

from mae_mm.checkpoint.formats import translate
from mae_mm.checkpoint.tables import FORMATS
from mae_mm.config.reading import read_config
from mae_mm.engine import WarmupCosineLR
from mae_mm.registry import OPTIM_WRAPPER_CONSTRUCTORS

from .conftest import ROOT

GOLDEN = json.loads((ROOT / 'tests/golden/official_finetune.json').read_text())


def finetuning():
    cfg = read_config(str(ROOT / 'configs/finetune/vit-base-p16_8xb128-coslr-100e_in1k.py'))
    init_default_scope(cfg.default_scope)
    with torch.device('meta'):
        model = MODELS.build(cfg.model)
    wrapper = cfg.optim_wrapper
    build = OPTIM_WRAPPER_CONSTRUCTORS.get(wrapper.constructor)
    settings = dict(type='OptimWrapper', optimizer=wrapper.optimizer)
    return cfg, build(settings, wrapper.paramwise_cfg)(model)


def test_groups_of_fine_tuning_are_the_official_ones():
    _, wrapper = finetuning()
    rows = FORMATS['mae'].rows
    expected = {tuple(sorted(translate(name, rows) for name in group['names'])):
                (group['lr_scale'], group['weight_decay']) for group in GOLDEN['groups']}
    found = {tuple(sorted(group['param_name'])): (group['lr_scale'], group['weight_decay'])
             for group in wrapper.optimizer.param_groups}
    assert found == expected
    assert all(group['lr'] == 2e-3 * group['lr_scale'] for group in wrapper.optimizer.param_groups)


def test_rates_of_fine_tuning_are_the_official_ones():
    """The rate of each group a quarter into each of 100 epochs, by the official ``adjust_learning_rate``."""
    cfg, wrapper = finetuning()
    options = dict(cfg.param_scheduler)
    assert options.pop('type') == 'mae_mm.WarmupCosineLR' and options.pop('convert_to_iter_based')
    schedule = WarmupCosineLR.build_iter_from_epoch(wrapper, end=cfg.train_cfg.max_epochs, epoch_length=8, **options)
    for step in range(800):
        if step % 8 == 2:
            expected = GOLDEN['rates'][step // 8]
            for group in wrapper.optimizer.param_groups:
                assert math.isclose(group['lr'], expected * group['lr_scale'], rel_tol=0, abs_tol=1e-12)
        wrapper.optimizer._global_step = step
        schedule.step()


def test_a_warmup_is_shorter_than_the_run():
    wrapper = OptimWrapper(torch.optim.SGD([nn.Parameter(torch.ones(1))], lr=1.))
    with pytest.raises(ValueError, match='a warmup of 5 is not shorter than a run of 5'):
        WarmupCosineLR(wrapper, warmup=5, end=5)


def test_the_probes_steps_are_the_official_ones():
    """facebookresearch/mae's util/lars.py, at a steady rate: a trust ratio for matrices, none for biases."""
    torch.manual_seed(0)
    layer = nn.Linear(4, 3)
    weight, bias = layer.weight.detach().clone(), layer.bias.detach().clone()
    cfg = read_config(str(ROOT / 'configs/linear_probe/vit-base-p16_8xb2048-coslr-90e_in1k.py')).optim_wrapper
    options = dict(cfg.optimizer)
    optimizer = OPTIMIZERS.get(options.pop('type'))(
        [dict(params=[layer.weight]), dict(params=[layer.bias], **cfg.paramwise_cfg.custom_keys.bias)], **options)
    momenta = torch.zeros_like(weight), torch.zeros_like(bias)
    for _ in range(3):
        layer.weight.grad, layer.bias.grad = torch.randn(3, 4), torch.randn(3)
        momenta[0].mul_(.9).add_(layer.weight.grad * 1e-3 * weight.norm() / layer.weight.grad.norm())
        momenta[1].mul_(.9).add_(layer.bias.grad)
        weight, bias = weight - 6.4 * momenta[0], bias - 6.4 * momenta[1]
        optimizer.step()
    torch.testing.assert_close((layer.weight.data, layer.bias.data), (weight, bias))


def test_the_recipes_are_the_published_ones():
    for name, arch, rate, decay, drop, epochs in (
            ('vit-base-p16_8xb128-coslr-100e_in1k', 'base', 5e-4 * 4, .65, .1, 100),
            ('vit-large-p16_8xb128-coslr-50e_in1k', 'large', 1e-3 * 4, .75, .2, 50),
            ('vit-huge-p14_8xb128-coslr-50e_in1k', 'huge', 1e-3 * 4, .75, .3, 50),
            ('vit-huge-p14_32xb8-coslr-50e_in1k-448px', 'huge', 1e-3, .75, .3, 50)):
        cfg = read_config(str(ROOT / f'configs/finetune/{name}.py'))
        optimizer, backbone = cfg.optim_wrapper.optimizer, cfg.model.backbone
        assert optimizer == dict(type='AdamW', lr=rate, betas=(.9, .999), weight_decay=.05)
        assert cfg.optim_wrapper.paramwise_cfg.layer_decay_rate == decay
        assert (backbone.arch, backbone.drop_path_rate, backbone.out_type) == (arch, drop, 'avg_featmap')
        assert (cfg.train_cfg.max_epochs, cfg.param_scheduler.warmup) == (epochs, 5)
        assert math.isclose(cfg.param_scheduler.min_ratio * rate, 1e-6)
        assert cfg.model.head.init_cfg.std == 2e-5 and cfg.model.head.loss.label_smooth_val == .1
        assert [(part.type, part.alpha) for part in cfg.model.train_cfg.augments] == [('Mixup', .8), ('CutMix', 1.)]
    for name, epochs in (('base-p16_8xb2048-coslr-90e', 90), ('large-p16_8xb2048-coslr-50e', 50),
                         ('huge-p14_8xb2048-coslr-50e', 50)):
        cfg = read_config(str(ROOT / f'configs/linear_probe/vit-{name}_in1k.py'))
        assert cfg.optim_wrapper.optimizer == dict(type='LARS', lr=.1 * 16384 / 256, momentum=.9, weight_decay=0.)
        assert (cfg.train_cfg.max_epochs, cfg.param_scheduler.warmup) == (epochs, 10)
        assert cfg.model.backbone.trainable_layers == 0 and cfg.model.backbone.out_type == 'cls_token'
        assert cfg.model.neck.type == 'ClsBatchNormNeck' and cfg.model.head.loss == dict(type='CrossEntropyLoss')
