"""Values that no run can use are refused with the setting's name, before anything is built."""
import pytest
import torch
from mmengine.registry import PARAM_SCHEDULERS

from mae_mm.config import read_config
from mae_mm.errors import InputError
from mae_mm.models import MAE

PRETRAIN, SEGMENT, FINETUNE = 'pretrain/mae_vit_folder', 'mae/upernet_folder', 'finetune/vit_folder'


@pytest.mark.parametrize('config, setting, value, said', [
    (PRETRAIN, 'optim_wrapper.clip_grad.max_norm', -1, 'is not a number above 0'),
    (PRETRAIN, 'optim_wrapper.clip_grad.max_norm', 'inf', 'is not a number above 0'),
    (PRETRAIN, 'optim_wrapper.optimizer.lr', float('nan'), 'is not a number from 0 on'),
    (PRETRAIN, 'optim_wrapper.optimizer.weight_decay', -.1, 'is not a number from 0 on'),
    (SEGMENT, 'optim_wrapper.paramwise_cfg.layer_decay_rate', -1, 'is not above 0 and up to 1'),
    (FINETUNE, 'optim_wrapper.paramwise_cfg.norm_decay_mult', -1, 'is not a number from 0 on'),
    (PRETRAIN, 'model.data_preprocessor.std', [-1, 1, 1], 'is not numbers above 0'),
    (PRETRAIN, 'model.data_preprocessor.mean', [1, 2], 'has 2 means and 3 deviations'),
    (PRETRAIN, 'model.backbone.in_channels', 5, 'has 3 means for images of 5 bands'),
    (SEGMENT, 'default_hooks.checkpoint.by_epoch', [1, 2], 'is not True or False'),
    (PRETRAIN, 'randomness.deterministic', 2, 'is not True or False'),
    (PRETRAIN, 'randomness.see', 1, "nothing reads this setting; is it 'seed'?"),
    (SEGMENT, 'train_dataloader.dataset.pipeline.4.transforms.0.0.scale_factor', 1e300, 'is not above 0 and up to'),
    (SEGMENT, 'max_iters', -1, 'is not a whole number from 1 on'),
    (SEGMENT, 'train_cfg.val_interval', 0, 'is not a whole number from 1 on'),
    (PRETRAIN, 'max_epochs', 2.5, 'is not a whole number from 1 on'),
    (PRETRAIN, 'batch_size', 0, 'is not a whole number from 1 on'),
    (PRETRAIN, 'train_dataloader.num_workers', -1, 'is not a whole number from 0 on'),
    (SEGMENT, 'model.test_cfg.mode', 'slid', "is not 'slide' or 'whole'"),
    (SEGMENT, 'model.test_cfg.window_batch', 0, 'is not a whole number from 1 on'),
    (SEGMENT, 'model.test_cfg.logits_dtype', 'int8', "is not 'float32' or 'float16'"),
    (SEGMENT, 'val_evaluator.iou_metrics', ['mIuO'], 'is not a list of mIoU, mDice, mFscore'),
    (SEGMENT, 'default_hooks.checkpoint.save_best', 'mIou', 'is not a metric of val_evaluator'),
    (FINETUNE, 'default_hooks.checkpoint.save_best', 'accuracy/top', 'is not a metric of val_evaluator'),
    (FINETUNE, 'val_evaluator.topk', (0, ), 'is not whole numbers from 1 on'),
    (PRETRAIN, 'randomness.seed', -3, 'is not None or a whole number from 0 on'),
    (PRETRAIN, 'default_hooks.checkpoint.interval', 0, 'is not a whole number from 1 on'),
    (SEGMENT, 'warmup_iters', 2.5, 'param_scheduler.0.end=2.5 is not a whole number from 1 on'),
    (SEGMENT, 'param_scheduler.1.power', -1, 'is not a number from 0 on'),
    (PRETRAIN, 'warmup_epochs', -1, 'param_scheduler.warmup=-1 is not a number from 0 on'),
    (PRETRAIN, 'auto_scale_lr.base_batch_size', 0, 'is not a whole number from 1 on'),
    (PRETRAIN, 'optim_wrapper.clip_grad.maxnorm', 1, "nothing reads this setting; is it 'max_norm'?"),
    (PRETRAIN, 'optim_wrapper.clip_grad.norm_type', 'abc', 'is not a number above 0'),
    (PRETRAIN, 'custom_hooks', [dict(type='EMAHook', momentun=.5)], "nothing reads this setting; is it 'momentum'?"),
    (PRETRAIN, 'optim_wrapper.optimizer.betas', .9, 'is not two numbers'),
    (PRETRAIN, 'go_back', -1, 'default_hooks.check_loss.go_back=-1 is not a whole number from 0 on'),
    (PRETRAIN, 'default_hooks.checkpoint.rule', 'biggest', "is not 'greater' or 'less'"),
    (PRETRAIN, 'launcher', 'slurm', '--launcher gives it'),
    (PRETRAIN, 'img_size', 32.5, 'is not a side in pixels'),
    (PRETRAIN, 'val_evaluator.type', 'mae_mm.Accuracy', 'measures a classifier, and model.type='),
    (SEGMENT, 'default_hooks.checkpoint.save_best', 'mDice', 'there are aAcc, mIoU, mAcc'),
    (FINETUNE, 'min_lr', 10, 'min_lr=10 is above lr='),
    (FINETUNE, 'train_dataloader.dataset.per_class', 0, 'is not a whole number from 1 on, or None'),
])
def test_nonsense_is_refused(config, setting, value, said):
    with pytest.raises(InputError) as told:
        read_config(config, {setting: value})
    assert said in str(told.value)


@pytest.mark.parametrize('argument, value', [
    ('img_size', (224, )), ('img_size', 512.), ('img_size', (32, 32, 32)), ('img_size', 0), ('img_size', 'big'),
    ('drop_path_rate', 2), ('drop_path_rate', -.1), ('drop_path_rate', float('nan')), ('out_indices', {1: 1}),
    ('out_indices', 1.5), ('out_indices', [])])
def test_arguments_of_the_backbone(argument, value):
    with pytest.raises(InputError, match=argument):
        MAE(**{**dict(img_size=32, patch_size=8, embed_dims=16, num_layers=2, num_heads=2), argument: value})


@pytest.mark.parametrize('warmup, kinds', [(0, ['PolyLR']), (1, ['PolyLR']), (2, ['LinearLR', 'PolyLR'])])
def test_a_warm_up_of_no_step_or_one_leaves_the_rate_as_it_is(warmup, kinds):
    """mmengine's linear rise of one step never ends."""
    cfg = read_config(SEGMENT, dict(warmup_iters=warmup, max_iters=4, lr=1.))
    assert [scheduler.type for scheduler in cfg.param_scheduler] == kinds
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.)
    schedulers = [PARAM_SCHEDULERS.build({**scheduler, 'optimizer': optimizer}) for scheduler in cfg.param_scheduler]
    rates = []
    for _ in range(4):
        rates.append(optimizer.param_groups[0]['lr'])
        optimizer.step()
        for scheduler in schedulers:
            scheduler.step()
    assert rates[min(warmup, 1)] > .7 and rates[-1] < rates[min(warmup, 1)]


def test_a_side_is_a_square_where_the_config_has_a_pair():
    assert read_config(SEGMENT, dict(crop_size=32)).model.test_cfg.crop_size == (32, 32)


def test_workers_are_not_kept_where_there_are_none():
    loader = read_config(PRETRAIN, {'train_dataloader.num_workers': 0}).train_dataloader
    assert not loader.persistent_workers


def test_a_data_set_keeps_a_folder_of_its_own():
    cfg = read_config(PRETRAIN, {'data_root': 'a', 'val_dataloader.dataset.data_root': 'b'})
    assert (cfg.train_dataloader.dataset.data_root, cfg.val_dataloader.dataset.data_root) == ('a', 'b')


def test_hooks_of_a_config_of_ones_own_do_not_replace_those_of_the_package(tmp_path):
    path = tmp_path / 'own.py'
    path.write_text(f"_base_ = 'mae_mm::{PRETRAIN}.py'\ncustom_hooks = [dict(type='EMAHook')]\n"
                    "default_hooks = dict(summary=None)\n")
    cfg = read_config(str(path))
    assert {'mae_mm.StopHook', 'mae_mm.CheckLossHook', 'mae_mm.SeedStepHook', 'mae_mm.ReconstructionHook'} <= {
        hook.type for hook in cfg.default_hooks.values()}
    assert 'summary' not in cfg.default_hooks and [hook.type for hook in cfg.custom_hooks] == ['EMAHook']


def test_a_model_of_ones_own_is_measured_by_what_its_author_says(tmp_path):
    path = tmp_path / 'own.py'
    path.write_text(f"_base_ = 'mae_mm::{PRETRAIN}.py'\nmodel = dict(_delete_=True, type='own.Model')\n"
                    "val_evaluator = dict(_delete_=True, type='mae_mm.Accuracy')\n")
    assert read_config(str(path)).val_evaluator.type == 'mae_mm.Accuracy'
