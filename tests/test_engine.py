"""Samplers, hooks, the optimizer's groups, configs, hardware."""
import functools
import os
import warnings
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS, OPTIM_WRAPPER_CONSTRUCTORS

from mae_mm.config import hardware
from mae_mm.config.hardware import fit_to_hardware
from mae_mm.config.reading import read_config
from mae_mm.datasets import CheckLabels, Draw, ResumableSampler, SeedSample
from mae_mm.engine import CheckClassesHook, CheckpointHook
from mae_mm.errors import InputError

from .conftest import ROOT, run_inside
from .peers import TINY, segmentor

CONFIGS = sorted(str(path.relative_to(ROOT)) for path in (ROOT / 'configs').rglob('*.py') if '_base_' not in str(path))


def first(sampler, count):
    iterator = iter(sampler)
    return [next(iterator) for _ in range(count)]


def test_every_round_of_draws_is_a_permutation():
    draws = first(ResumableSampler(range(7), seed=1), 21)
    rounds = [draws[i:i + 7] for i in (0, 7, 14)]
    assert all(sorted(r) == list(range(7)) for r in rounds) and len({tuple(r) for r in rounds}) == 3


def test_starting_later_gives_the_same_draws():
    draws = first(ResumableSampler(range(7), seed=1), 20)
    resumed = ResumableSampler(range(7), seed=99)
    resumed.start_at(9, seed=1)
    later = first(resumed, 11)
    assert later == draws[9:] and [d.key for d in later] == [d.key for d in draws[9:]]


def test_processes_share_the_draws_of_one():
    draws = first(ResumableSampler(range(7), seed=1), 20)
    parts = []
    for rank in (0, 1):
        sampler = ResumableSampler(range(7), seed=1)
        sampler.rank, sampler.world_size = rank, 2
        sampler.start_at(4, seed=1)
        parts.append(first(sampler, 8))
    assert [d for pair in zip(*parts, strict=True) for d in pair] == draws[4:]


def test_a_sample_is_seeded_by_its_draw():
    def numbers(key):
        results = SeedSample().transform({'sample_idx': Draw(3, key)})
        assert type(results['sample_idx']) is int
        return np.random.rand(), torch.rand(1).item()

    assert numbers((1, 2)) == numbers((1, 2)) != numbers((1, 3))
    np.random.seed(0)
    expected = np.random.rand()
    np.random.seed(0)
    SeedSample().transform({'sample_idx': 3})  # another sampler's index leaves the generators alone
    assert np.random.rand() == expected


def test_labels_outside_the_classes_are_named():
    check = CheckLabels(num_classes=3)
    check.transform({'gt_seg_map': np.array([[0, 2, 255]]), 'seg_map_path': 'a.png'})
    with pytest.raises(ValueError, match='a.png: label 3, 9 is not a class; classes are 0 to 2, and 255 is ignored'):
        check.transform({'gt_seg_map': np.array([[3, 9, 255]]), 'seg_map_path': 'a.png'})


def layer_decay_groups(constructor, **paramwise):
    init_default_scope('mmseg')
    model = segmentor(dict(type='mae_mm.MAE', img_size=64, rel_pos_bias=True, init_values=1., final_norm=False,
                           **TINY))
    cfg = dict(type='OptimWrapper', optimizer=dict(type='AdamW', lr=1e-4, betas=(.9, .999), weight_decay=.05))
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        build = OPTIM_WRAPPER_CONSTRUCTORS.get(constructor)
        wrapper = build(cfg, paramwise)(model)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    return {names[id(parameter)]: (round(group['lr'] / 1e-4, 9), group['weight_decay'])
            for group in wrapper.optimizer.param_groups for parameter in group['params']}, wrapper.optimizer


def test_layer_decay_is_mmsegs_but_for_the_embeddings():
    published, _ = layer_decay_groups('LearningRateDecayOptimizerConstructor', num_layers=4, decay_rate=.65,
                                      decay_type='layer_wise')
    schedule = Config.fromfile(ROOT / 'configs/_base_/schedules/schedule_160k.py')
    paramwise = schedule.optim_wrapper.paramwise_cfg
    ours, optimizer = layer_decay_groups('mae_mm.LayerDecayConstructor', **paramwise)
    assert {name for name in ours if ours[name] != published[name]} == {'backbone.cls_token', 'backbone.pos_embed'}
    assert ours['backbone.pos_embed'] == (round(.65**5, 9), 0) and published['backbone.pos_embed'][1] == .05
    assert ours['backbone.layers.3.attn.qkv.weight'] == (.65, .05)
    assert ours['backbone.layers.0.ln1.weight'] == (round(.65**4, 9), 0)
    assert ours['decode_head.conv_seg.weight'] == (1, .05)
    assert len(optimizer.param_groups) == 2 * 6  # a group for each depth and decay

    paramwise.custom_keys = {}  # the published recipe
    assert layer_decay_groups('mae_mm.LayerDecayConstructor', **paramwise)[0] == published
    key = 'optim_wrapper.paramwise_cfg.custom_keys'  # as the docs say how to ask for it
    cfg = read_config(str(ROOT / 'configs/mae/upernet_mae-base_fp16_8x2_512x512_160k_ade20k.py'), {
        f'{key}.cls_token.decay_mult': 1, f'{key}.pos_embed.decay_mult': 1})
    asked = layer_decay_groups('mae_mm.LayerDecayConstructor', **cfg.optim_wrapper.paramwise_cfg)[0]
    assert asked == published


@pytest.mark.parametrize('path', CONFIGS)
def test_every_config_builds(path, monkeypatch):
    monkeypatch.setattr(torch, 'linspace', functools.partial(torch.linspace, device='cpu'))  # mmseg reads its values
    cfg = read_config(str(ROOT / path))
    fit_to_hardware(cfg, 'none')
    if not torch.cuda.is_available():
        assert 'SyncBN' not in str(cfg.model) and cfg.optim_wrapper.type == 'OptimWrapper'
    assert 'data_preprocessor' not in cfg  # mmengine would overwrite that of a TTA model's module
    init_default_scope(cfg.default_scope)
    for module in cfg.custom_imports.imports:
        assert module == 'mae_mm'
    for part in ('head', 'decode_head', 'auxiliary_head'):
        if cfg.model.get(part) and cfg.model[part].num_classes is None:  # those of the folder
            cfg.model[part].num_classes = 3
    with torch.device('meta'):
        model = MODELS.build(cfg.model)
    assert sum(p.numel() for p in model.parameters()) > 0
    assert open(ROOT / path).read().startswith('"""')  # its claim, its source and its command


def test_multi_scale_config_is_really_multi_scale():
    cfg = Config.fromfile(ROOT / 'configs/mae/upernet_mae-base_fp16_512x512_160k_ade20k_ms.py')
    assert cfg.model.type == 'SegTTAModel' and cfg.model.module.test_cfg.mode == 'slide'
    sizes, flips = cfg.test_dataloader.dataset.pipeline[1].transforms[:2]
    assert [min(size.scale) for size in sizes] == [512, 512, 512, 640, 768, 896]
    assert [flip.prob for flip in flips] == [0., 1.]


def test_known_settings_of_the_published_config():
    cfg = Config.fromfile(ROOT / 'configs/mae/upernet_mae-base_fp16_8x2_512x512_160k_ade20k.py')
    assert cfg.optim_wrapper.type == 'AmpOptimWrapper' and cfg.optim_wrapper.loss_scale == 'dynamic'
    assert cfg.optim_wrapper.optimizer == dict(type='AdamW', lr=1e-4, betas=(.9, .999), weight_decay=.05)
    assert cfg.optim_wrapper.paramwise_cfg.layer_decay_rate == .65
    warmup, decay = cfg.param_scheduler
    assert (warmup.start_factor, warmup.end, decay.power, decay.end) == (1e-6, 1500, 1., 160000)
    assert cfg.train_cfg.max_iters == 160000 and cfg.train_dataloader.batch_size == 2
    backbone, test = cfg.model.backbone, cfg.model.test_cfg
    assert (backbone.drop_path_rate, backbone.init_values, backbone.out_indices) == (.1, 1., [3, 5, 7, 11])
    assert (test.mode, test.crop_size, test.stride) == ('slide', (512, 512), (341, 341))


def test_sync_bn_is_replaced_wherever_it_stands(monkeypatch):
    monkeypatch.setattr(hardware, 'get_device', lambda: 'cpu')
    cfg = Config(dict(a=dict(norm_cfg=dict(type='SyncBN')), b=[dict(type='SyncBN'), dict(type='LN')]))
    hardware.fit_to_hardware(cfg, 'none')
    assert (cfg.a.norm_cfg.type, cfg.b[0].type, cfg.b[1].type) == ('BN', 'BN', 'LN')


@pytest.mark.parametrize('device, native, dtype, scale', [
    ('cuda', True, 'bfloat16', dict(enabled=False)), ('cuda', False, 'float16', 'dynamic'), ('mps', True, None, None),
    ('cpu', True, None, None)])
def test_precision_and_optimizer_follow_the_machine(monkeypatch, capsys, device, native, dtype, scale):
    """Turing computes bfloat16 by emulation; only CUDA has mixed precision and one kernel for the optimizer."""
    monkeypatch.setattr(hardware, 'get_device', lambda: device)
    monkeypatch.setattr('torch.cuda.is_bf16_supported', lambda including_emulation: native or including_emulation)
    cfg = read_config('pretrain/mae_vit_folder')
    cfg.test_cfg.fp16 = True
    fit_to_hardware(cfg, 'none')
    on_card = device == 'cuda'
    assert cfg.optim_wrapper.get('dtype') == dtype and cfg.optim_wrapper.get('loss_scale') == scale
    assert cfg.optim_wrapper.type == ('AmpOptimWrapper' if on_card else 'OptimWrapper')
    assert cfg.optim_wrapper.optimizer.get('fused') == (True if on_card else None)
    assert cfg.test_cfg.get('fp16') == (True if on_card else None)
    assert ('mixed precision is off' in ''.join(capsys.readouterr())) == (not on_card)


def test_data_root_reaches_every_data_set(config):
    cfg = read_config(str(config), {'data_root': '/else'})
    assert {cfg[name].dataset.data_root for name in ('train_dataloader', 'val_dataloader', 'test_dataloader')} == {
        '/else'}


def save_through(hook, out_dir, step, fail=False):
    """Have a checkpoint hook save an iteration, with a runner that has just what it asks for."""
    def save_checkpoint(folder, name, *args, **kwargs):
        if fail:
            raise InputError('no space left')
        with open(os.path.join(folder, name), 'w') as file:
            file.write(name)

    info = {}
    hub = SimpleNamespace(update_info=info.__setitem__, runtime_info=info, _resumed_keys={})
    runner = SimpleNamespace(work_dir=str(out_dir), message_hub=hub, save_checkpoint=save_checkpoint, iter=step - 1,
                             epoch=0,
                             logger=SimpleNamespace(info=lambda *_: None, error=lambda *_: None))
    if not hasattr(hook, 'file_backend'):
        hook.before_train(runner)
    hook._save_checkpoint(runner)
    hook.finish(runner)


def test_old_checkpoints_go_after_the_new_one_is_there(tmp_path):
    (tmp_path / 'iter_9.pth.unfinished').write_bytes(b'left by a killed run')
    hook = CheckpointHook(by_epoch=False, interval=1, max_keep_ckpts=1)
    save_through(hook, tmp_path, 1)
    assert {path.name for path in tmp_path.iterdir()} == {'iter_1.pth', 'last_checkpoint'}
    save_through(hook, tmp_path, 2)
    assert {path.name for path in tmp_path.iterdir()} == {'iter_2.pth', 'last_checkpoint'}
    save_through(hook, tmp_path, 3, fail=True)  # training goes on, and the hook keeps what there is
    assert {path.name for path in tmp_path.iterdir()} == {'iter_2.pth', 'last_checkpoint'}
    assert (tmp_path / 'last_checkpoint').read_text().endswith('iter_2.pth') and list(hook.keep_ckpt_ids) == [2]
    save_through(hook, tmp_path, 3)
    assert {path.name for path in tmp_path.iterdir()} == {'iter_3.pth', 'last_checkpoint'} and hook.failure is None


def test_a_batch_of_an_iteration_in_parts_makes_the_same_step(config, tmp_path):
    """Without batch norms and what is dropped, which differ by part; a run in parts goes on exactly, too."""
    path = tmp_path / 'plain.py'
    path.write_text(f"""_base_ = ['{config}']
norm_cfg = dict(type='GN', num_groups=2)
model = dict(backbone=dict(drop_path_rate=0.), neck=dict(norm_cfg=norm_cfg),
             decode_head=dict(norm_cfg=norm_cfg, dropout_ratio=0.),
             auxiliary_head=dict(norm_cfg=norm_cfg, dropout_ratio=0.))
""")
    weights = {}
    for name, options, more in (('whole', [], []), ('parts', ['accumulate=2'], []),
                                ('resumed', ['accumulate=2'], ['--resume', tmp_path / 'parts/iter_3.pth'])):
        assert run_inside('tools/train.py', path, '--work-dir', tmp_path / name, *more, '--cfg-options',
                          'randomness.seed=3', *options) == 0
        weights[name] = torch.load(tmp_path / name / 'iter_6.pth')['state_dict']
    for name, tensor in weights['whole'].items():
        torch.testing.assert_close(weights['parts'][name], tensor, rtol=1e-3, atol=1e-5, msg=name)
        assert torch.equal(weights['resumed'][name], weights['parts'][name])


def test_validation_of_other_classes_stops_before_the_first_step():
    loaders = [SimpleNamespace(dataset=SimpleNamespace(metainfo=dict(classes=classes))) for classes in ('ab', 'ac')]
    runner = SimpleNamespace(train_dataloader=loaders[0], val_dataloader=loaders[1], val_loop=object(),
                             model=SimpleNamespace(head=SimpleNamespace(num_classes=2)))
    with pytest.raises(InputError, match='val_dataloader has other classes than train_dataloader: c'):
        CheckClassesHook().before_train(runner)
    runner.val_loop = None
    CheckClassesHook().before_train(runner)
