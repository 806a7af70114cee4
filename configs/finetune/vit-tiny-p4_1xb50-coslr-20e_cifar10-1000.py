"""The small CIFAR-10 encoder on 1,000 labelled images, 100 of each class, on two CPU cores.

    CONFIG=configs/finetune/vit-tiny-p4_1xb50-coslr-20e_cifar10-1000.py
    python tools/train.py $CONFIG                   # from scratch
    python tools/train.py $CONFIG \
        --cfg-options checkpoint=CHECKPOINT    # from a checkpoint of pre-training, the same schedule
"""
_base_ = '../_base_/classify_runtime.py'

img_size = 32
width = 192
batch_size = 50
checkpoint = None  # of pre-training; None: from scratch
start = dict(init_cfg=dict(type='Pretrained', checkpoint=checkpoint)) if checkpoint else dict()
model = dict(
    type='ImageClassifier',
    _scope_='mmpretrain',  # for mmengine.hub.get_model
    data_preprocessor=dict(mean=[125.307, 122.961, 113.8575], std=[51.5865, 50.847, 51.255], to_rgb=True),
    backbone=dict(
        type='mae_mm.MAE', img_size=img_size, patch_size=4, embed_dims=width, num_layers=6, num_heads=3,
        out_type='avg_featmap', drop_path_rate=0.1,
        **start),
    head=dict(
        type='LinearClsHead', num_classes=10, in_channels=width,
        loss=dict(type='LabelSmoothLoss', label_smooth_val=0.1, mode='original')))

data_root = 'data/cifar10'
load = [dict(type='LoadImageFromFile', _scope_='mae_mm')]
train_pipeline = [
    dict(type='mae_mm.SeedSample'),
    *load,
    dict(type='RandomCrop', crop_size=img_size, padding=4),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackInputs'),
]
test_pipeline = [*load, dict(type='PackInputs')]
train_dataloader = dict(
    batch_size=batch_size,
    num_workers=1,
    persistent_workers=True,
    collate_fn=dict(type='default_collate'),
    sampler=dict(type='mae_mm.EpochSampler', shuffle=True),
    dataset=dict(
        type='mae_mm.ClassFolder', per_class=100, data_root=data_root, data_prefix='train', pipeline=train_pipeline))
val_dataloader = dict(
    batch_size=200,
    num_workers=1,
    persistent_workers=True,
    collate_fn=dict(type='default_collate'),
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(type='mae_mm.ClassFolder', data_root=data_root, data_prefix='val', pipeline=test_pipeline))
test_dataloader = val_dataloader

lr = 1e-3
max_epochs = 20
warmup_epochs = min(2, max_epochs / 4)
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=lr, betas=(0.9, 0.999), weight_decay=0.05),
    constructor='mae_mm.LayerDecayConstructor',
    paramwise_cfg=dict(layer_decay_rate=0.75, norm_decay_mult=0., bias_decay_mult=0., flat_decay_mult=0.))
param_scheduler = dict(type='mae_mm.WarmupCosineLR', warmup=warmup_epochs, convert_to_iter_based=True)  # in epochs
train_cfg = dict(type='mae_mm.EpochBasedTrainLoop', max_epochs=max_epochs, val_interval=10)
