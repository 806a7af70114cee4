"""Values that no run can use are refused with the setting's name, before anything is built."""
import pytest

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
