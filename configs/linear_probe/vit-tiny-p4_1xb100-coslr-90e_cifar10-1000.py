"""Linear probe of the small CIFAR-10 encoder on 1,000 labelled images, 100 of each class, on two CPU cores.

As on ImageNet (batch norm without affine, LARS, nothing else trains), but on the mean of the patches.

    python tools/train.py configs/linear_probe/vit-tiny-p4_1xb100-coslr-90e_cifar10-1000.py \
        --cfg-options checkpoint=CHECKPOINT
"""
_base_ = '../finetune/vit-tiny-p4_1xb50-coslr-20e_cifar10-1000.py'
model = dict(
    backbone=dict(
        drop_path_rate=0., trainable_layers=0, init_cfg=dict(type='Pretrained', checkpoint=_base_.checkpoint)),
    neck=dict(type='ClsBatchNormNeck', input_features=_base_.width),
    head=dict(
        loss=dict(_delete_=True, type='CrossEntropyLoss'),
        init_cfg=dict(type='TruncNormal', layer='Linear', std=0.01)))
batch_size = 100
train_dataloader = dict(batch_size=batch_size)
lr = 6.4
max_epochs = 90
warmup_epochs = min(10, max_epochs / 4)
optim_wrapper = dict(
    optimizer=dict(_delete_=True, type='LARS', lr=lr, momentum=0.9, weight_decay=0.),
    paramwise_cfg=dict(_delete_=True, layer_decay_rate=1., custom_keys={'bias': dict(lars_exclude=True)}))
param_scheduler = dict(warmup=warmup_epochs)
train_cfg = dict(max_epochs=max_epochs, val_interval=30)
