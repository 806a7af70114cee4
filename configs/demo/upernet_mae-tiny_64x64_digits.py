"""The demo: a tiny UPerNet-MAE that learns to find and read digits from 200 labelled scenes, on two CPU cores.

    make demo    # from an encoder that was pre-trained on 4,000 scenes without labels, and from scratch
"""
_base_ = ['../_base_/models/upernet_mae.py', '../_base_/datasets/digit_scenes.py', '../_base_/segment_runtime.py']

side_px = 64
checkpoint = None  # of pre-training; None: from scratch
start = dict(init_cfg=dict(type='Pretrained', checkpoint=checkpoint)) if checkpoint else dict()
num_classes = _base_.num_classes
width = 96
# Four fifths of the pixels are background: it weighs a tenth, or the model is content with finding nothing.
loss = dict(class_weight=[0.1] + [1.0] * 10)
model = dict(
    data_preprocessor=dict(size=(side_px, side_px)),
    backbone=dict(
        img_size=side_px, patch_size=8, embed_dims=width, num_layers=4, num_heads=4, out_indices=[0, 1, 2, 3],
        drop_path_rate=0., **start),
    neck=dict(embed_dim=width, rescales=[2, 1, 0.5, 0.25]),
    decode_head=dict(in_channels=[width] * 4, channels=32, num_classes=num_classes, loss_decode=loss),
    auxiliary_head=dict(in_channels=width, channels=32, num_classes=num_classes, loss_decode=loss))

num_labelled = 200
train_dataloader = dict(dataset=dict(indices=num_labelled))

max_iters = 450
warmup_iters = min(30, max_iters // 4)  # with 0 or 1 the first step has the full rate
lr = 2e-3
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=lr, betas=(0.9, 0.95), weight_decay=0.05),
    constructor='mae_mm.LayerDecayConstructor',
    paramwise_cfg=dict(layer_decay_rate=0.75, norm_decay_mult=0., bias_decay_mult=0., flat_decay_mult=0.))
rise = dict(type='LinearLR', start_factor=1e-3, by_epoch=False, begin=0, end=warmup_iters)
param_scheduler = [rise] * (warmup_iters > 1) + [
    dict(type='PolyLR', eta_min=0., power=1., begin=warmup_iters, end=max_iters, by_epoch=False)
]
train_cfg = dict(type='mae_mm.IterBasedTrainLoop', max_iters=max_iters, val_interval=max_iters)
default_hooks = dict(logger=dict(interval=50), checkpoint=dict(interval=max_iters // 2))
randomness = dict(seed=0)
