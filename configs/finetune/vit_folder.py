"""Fine-tuning of a pre-trained ViT on any folder of class folders: DIR/{train,val}/CLASS/*.jpg, or DIR/CLASS/*.jpg.

    mae-mm train finetune/vit_folder --cfg-options data_root=DIR checkpoint=CHECKPOINT [arch=small] [img_size=96]
"""
_base_ = [
    '../_base_/models/mae_classify.py', '../_base_/datasets/classes.py', '../_base_/schedules/finetune.py',
    '../_base_/classify_runtime.py'
]
arch = 'tiny'
patch_size = 14 if arch == 'huge' else 16
num_classes = None  # those of the folder
model = dict(
    data_preprocessor=dict(num_classes=num_classes),
    backbone=dict(
        arch=arch, patch_size=patch_size, img_size=_base_.img_size,
        init_cfg=dict(type='Pretrained', checkpoint=_base_.checkpoint)),
    head=dict(in_channels=_base_.widths.get(arch), num_classes=num_classes),
    train_cfg=dict(augments=[dict(type='Mixup', alpha=0.8), dict(type='CutMix', alpha=1.0)]))

base_batch_size = _base_.batch_size
lr = (1e-3 if arch in ('tiny', 'small') else 5e-4) * base_batch_size / 256  # base rate x batch / 256
optim_wrapper = dict(optimizer=dict(lr=lr))
auto_scale_lr = dict(base_batch_size=base_batch_size)
if _base_.min_lr > lr:
    raise ValueError(f'min_lr={_base_.min_lr} is above lr={lr}')
param_scheduler = dict(min_ratio=_base_.min_lr / lr)
default_hooks = dict(logger=dict(interval=10), checkpoint=dict(max_keep_ckpts=1))
