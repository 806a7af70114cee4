"""Linear probe of a pre-trained ViT on any folder of class folders: DIR/{train,val}/CLASS/*.jpg, or DIR/CLASS/*.jpg.

As on ImageNet (batch norm without affine, LARS, nothing else trains), but on the mean of the patches. `mae-mm probe`
takes this config for a logistic regression on the same features, which needs no training run.

    mae-mm train linear_probe/vit_linear_folder --cfg-options data_root=DIR checkpoint=CHECKPOINT [arch=small]
    mae-mm probe linear_probe/vit_linear_folder --cfg-options data_root=DIR checkpoint=CHECKPOINT [arch=small]
"""
_base_ = [
    '../_base_/models/mae_classify.py', '../_base_/datasets/classes.py', '../_base_/schedules/linear_probe.py',
    '../_base_/classify_runtime.py'
]
arch = 'tiny'
patch_size = 14 if arch == 'huge' else 16
width = _base_.widths.get(arch)
num_classes = None  # those of the folder
model = dict(
    data_preprocessor=dict(num_classes=num_classes),
    backbone=dict(
        arch=arch, patch_size=patch_size, img_size=_base_.img_size, drop_path_rate=0., trainable_layers=0,
        init_cfg=dict(type='Pretrained', checkpoint=_base_.checkpoint)),
    neck=dict(type='ClsBatchNormNeck', input_features=width),
    head=dict(
        in_channels=width, num_classes=num_classes, loss=dict(_delete_=True, type='CrossEntropyLoss'),
        init_cfg=dict(type='TruncNormal', layer='Linear', std=0.01)))
train_pipeline = [
    dict(type='mae_mm.SeedSample'),
    dict(type='mae_mm.LoadCrop', size=_base_.img_size, area=(0.08, 1.0)),
    *_base_.pack,
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))

base_batch_size = _base_.batch_size
lr = 0.1 * base_batch_size / 256  # base rate x batch / 256
optim_wrapper = dict(optimizer=dict(lr=lr))
auto_scale_lr = dict(base_batch_size=base_batch_size)
default_hooks = dict(logger=dict(interval=10), checkpoint=dict(max_keep_ckpts=1))
