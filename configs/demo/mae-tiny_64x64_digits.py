"""The demo's first half: a tiny MAE, pre-trained on the images of the digit scenes without their labels.

    make demo
"""
_base_ = [
    '../_base_/models/mae_pretrain.py', '../_base_/datasets/unlabelled.py', '../_base_/schedules/pretrain.py',
    '../_base_/pretrain_runtime.py'
]
side_px = 64
model = dict(
    backbone=dict(img_size=side_px, patch_size=8, embed_dims=96, num_layers=4, num_heads=4),
    decoder=dict(embed_dims=64, num_layers=1, num_heads=4),
    # For figures before a ground that says nothing: more of each is seen, and patches without a stroke count little.
    mask_ratio=0.6,
    norm_pix=False)

data_root = 'data/digit_scenes/images'
batch_size = 64
train_pipeline = [dict(type='mae_mm.SeedSample'), *_base_.load, *_base_.pack]
test_pipeline = [*_base_.load, *_base_.pack]
train_dataloader = dict(
    batch_size=batch_size, num_workers=1,
    dataset=dict(data_root=data_root, data_prefix='training', held_out=0., pipeline=train_pipeline))
val_dataloader = dict(
    batch_size=100, num_workers=1,
    dataset=dict(data_root=data_root, data_prefix='validation', held_out=0., pipeline=test_pipeline))
test_dataloader = val_dataloader

max_epochs = 20
warmup_epochs = min(1, max_epochs / 4)
lr = 1.5e-3
optim_wrapper = dict(optimizer=dict(lr=lr))
auto_scale_lr = dict(base_batch_size=batch_size)
train_cfg = dict(max_epochs=max_epochs, val_interval=10)
param_scheduler = dict(warmup=warmup_epochs)
default_hooks = dict(checkpoint=dict(interval=10))
randomness = dict(seed=0)
