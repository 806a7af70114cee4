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
    mask_ratio=0.6,
    norm_pix=False)

data_root = 'data/digit_scenes/images'
batch_size = 32
train_pipeline = [dict(type='mae_mm.SeedSample'), *_base_.load, *_base_.pack]
test_pipeline = [*_base_.load, *_base_.pack]
train_dataloader = dict(
    batch_size=batch_size, num_workers=1,
    dataset=dict(data_root=data_root, data_prefix='training', held_out=0., pipeline=train_pipeline))
val_dataloader = dict(
    batch_size=100, num_workers=1,
    dataset=dict(data_root=data_root, data_prefix='validation', held_out=0., pipeline=test_pipeline))
test_dataloader = val_dataloader

max_epochs = 16
warmup_epochs = 1
optim_wrapper = dict(_delete_=True, type='OptimWrapper', optimizer=dict(
    type='AdamW', lr=1.5e-3, betas=(0.9, 0.95), weight_decay=0.05))
train_cfg = dict(max_epochs=max_epochs, val_interval=4)
param_scheduler = [
    dict(_base_.warmup, end=warmup_epochs), dict(_base_.cosine, begin=warmup_epochs, end=max_epochs)]
default_hooks = dict(checkpoint=dict(interval=4))
randomness = dict(seed=0)
