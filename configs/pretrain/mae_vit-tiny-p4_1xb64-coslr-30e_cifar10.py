"""MAE pre-training of a small ViT with patches of 4 on CIFAR-10, or any folder of 32 x 32 images, on two CPU cores.

    python tools/dataset_converters/image_folder.py cifar10 data/cifar10
    python tools/train.py configs/pretrain/mae_vit-tiny-p4_1xb64-coslr-30e_cifar10.py
"""
_base_ = [
    '../_base_/models/mae_pretrain.py', '../_base_/datasets/unlabelled.py', '../_base_/schedules/pretrain.py',
    '../_base_/pretrain_runtime.py'
]
img_size = 32
model = dict(
    data_preprocessor=dict(mean=[125.307, 122.961, 113.8575], std=[51.5865, 50.847, 51.255]),
    backbone=dict(img_size=img_size, patch_size=4, embed_dims=192, num_layers=6, num_heads=3),
    decoder=dict(embed_dims=96, num_layers=1, num_heads=3))

data_root = 'data/cifar10'
batch_size = 64
train_pipeline = [
    dict(type='mae_mm.SeedSample'),
    dict(type='mae_mm.LoadCrop', size=img_size, area=(0.2, 1.0)),
    *_base_.pack,
]
test_pipeline = [*_base_.load, *_base_.pack]
train_dataloader = dict(
    batch_size=batch_size, num_workers=1,
    dataset=dict(data_root=data_root, data_prefix='train', held_out=0., pipeline=train_pipeline))
val_dataloader = dict(
    batch_size=250, num_workers=1,
    dataset=dict(data_root=data_root, data_prefix='val', held_out=0., pipeline=test_pipeline))
test_dataloader = val_dataloader

lr = 1e-3
max_epochs = 30
warmup_epochs = min(2, max_epochs / 4)
optim_wrapper = dict(optimizer=dict(lr=lr))
auto_scale_lr = dict(base_batch_size=batch_size)
train_cfg = dict(max_epochs=max_epochs, val_interval=5)
param_scheduler = dict(warmup=warmup_epochs)
default_hooks = dict(checkpoint=dict(interval=5, max_keep_ckpts=-1))  # all are kept, to be probed
