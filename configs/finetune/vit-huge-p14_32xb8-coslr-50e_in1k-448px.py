"""Fine-tuning of a pre-trained ViT-H/14 on ImageNet-1K at 448 x 448: 50 epochs of 32 x 8 images.

Published, top-1: 87.8 % (the paper, section 4.2), 87.3 % (mmpretrain, configs/mae). The official code has no recipe
for 448; this is that of 224, with mmpretrain's batch.

    tools/dist_train.sh configs/finetune/vit-huge-p14_32xb8-coslr-50e_in1k-448px.py 8 \
        --cfg-options checkpoint=CHECKPOINT
"""
_base_ = './vit-huge-p14_8xb128-coslr-50e_in1k.py'
img_size = 448
batch_size = 8
model = dict(backbone=dict(img_size=img_size))

base_batch_size = 32 * 8
lr = 1e-3 * base_batch_size / 256
optim_wrapper = dict(optimizer=dict(lr=lr))
auto_scale_lr = dict(base_batch_size=base_batch_size)
param_scheduler = dict(min_ratio=_base_.min_lr / lr)

train_pipeline = [
    dict(type='mae_mm.SeedSample'),
    dict(type='mae_mm.LoadCrop', size=img_size, area=(0.08, 1.0)),
    *_base_.augment,
    *_base_.pack,
]
test_pipeline = [  # without a margin above 224, as in the official code
    *_base_.load,
    dict(type='ResizeEdge', _scope_='mae_mm', scale=img_size, edge='short', backend='pillow', interpolation='bicubic'),
    dict(type='CenterCrop', crop_size=img_size),
    *_base_.pack,
]
train_dataloader = dict(batch_size=batch_size, dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(batch_size=batch_size, dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
