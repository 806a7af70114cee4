"""MAE pre-training of a ViT-Ti with patches of 8 on STL-10's 100,000 unlabelled images of 96 x 96.

    python tools/dataset_converters/image_folder.py stl10 data/stl10
    python tools/train.py configs/pretrain/mae_vit-tiny-p8_1xb64-coslr-100e_stl10.py
"""
_base_ = './mae_vit-tiny-p4_1xb64-coslr-30e_cifar10.py'
img_size = 96
model = dict(
    # those of ImageNet, of which STL-10 is a part
    data_preprocessor=dict(mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375]),
    backbone=dict(img_size=img_size, patch_size=8, num_layers=12),
    decoder=dict(embed_dims=128, num_layers=2, num_heads=4))

data_root = 'data/stl10'
train_pipeline = [
    dict(type='mae_mm.SeedSample'),
    dict(type='mae_mm.LoadCrop', size=img_size, area=(0.2, 1.0)),
    *_base_.pack,
]
train_dataloader = dict(
    num_workers=4, dataset=dict(data_root=data_root, data_prefix='unlabeled', pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(data_root=data_root, data_prefix='val'))
test_dataloader = val_dataloader

max_epochs = 100
warmup_epochs = min(10, max_epochs / 4)
train_cfg = dict(max_epochs=max_epochs, val_interval=10)
param_scheduler = dict(warmup=warmup_epochs)
default_hooks = dict(checkpoint=dict(interval=10))
