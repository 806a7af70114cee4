"""UPerNet with a ViT-tiny on CamVid, from scratch: 400 iterations of 8 crops of 256 x 256, on two CPU cores.

    python tools/train.py configs/mae/upernet_mae-tiny_1x8_256x256_400_camvid.py --cfg-options data_root=DIR
"""
_base_ = ['../_base_/models/upernet_mae.py', '../_base_/datasets/camvid.py', '../_base_/segment_runtime.py']

crop_size = (256, 256)
arch = 'tiny'
width = _base_.widths.get(arch)
num_classes = _base_.num_classes
checkpoint = None  # of pre-training; None: from scratch
start = dict(init_cfg=dict(type='Pretrained', checkpoint=checkpoint)) if checkpoint else dict()
model = dict(
    data_preprocessor=dict(size=crop_size, test_cfg=dict(size=crop_size)),
    backbone=dict(
        arch=arch, img_size=crop_size, out_indices=[3, 5, 7, 11],
        **start),
    neck=dict(embed_dim=width),
    decode_head=dict(in_channels=[width] * 4, channels=64, num_classes=num_classes),
    auxiliary_head=dict(in_channels=width, channels=64, num_classes=num_classes),
    test_cfg=dict(mode='slide', crop_size=crop_size, stride=(170, 170)))

max_iters = 400
warmup_iters = min(40, max_iters // 4)  # with 0 or 1 the first step has the full rate
lr = 5e-4
optim_wrapper = dict(
    type='OptimWrapper', optimizer=dict(type='AdamW', lr=lr, betas=(0.9, 0.999), weight_decay=0.05))
rise = dict(type='LinearLR', start_factor=1e-3, by_epoch=False, begin=0, end=warmup_iters)
param_scheduler = [rise] * (warmup_iters > 1) + [
    dict(type='PolyLR', eta_min=0., power=1., begin=warmup_iters, end=max_iters, by_epoch=False)
]
train_cfg = dict(type='mae_mm.IterBasedTrainLoop', max_iters=max_iters, val_interval=max_iters)
default_hooks = dict(logger=dict(interval=10), checkpoint=dict(interval=100))
randomness = dict(seed=0)
