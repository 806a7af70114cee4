"""UPerNet on a pre-trained ViT, on any folder of images and label maps: DIR/{images,labels}[/{train,val}].

    mae-mm train mae/upernet_folder --cfg-options data_root=DIR checkpoint=CHECKPOINT [arch=small] [crop_size=96,96]
"""
_base_ = [
    '../_base_/models/upernet_mae.py', '../_base_/datasets/segmentation_folder.py',
    '../_base_/schedules/schedule_160k.py', '../_base_/segment_runtime.py'
]
arch = 'tiny'
patch_size = 14 if arch == 'huge' else 16
width = _base_.widths.get(arch)
depth = dict(large=24, huge=32).get(arch, 12)
head_channels = dict(tiny=64, small=128).get(arch, width)
crop_size = _base_.crop_size
stride = tuple(max(side * 2 // 3, 1) for side in crop_size)  # of the windows of a test
num_classes = None  # those of the folder
class_weight = None  # 'frequency': rare classes weigh more
loss = dict(class_weight=class_weight)
checkpoint = None  # of pre-training: to be given
model = dict(
    # Images smaller than a window are padded to one.
    data_preprocessor=dict(size=crop_size, test_cfg=dict(size=crop_size)),
    backbone=dict(
        arch=arch,
        patch_size=patch_size,
        img_size=crop_size,
        out_indices=[depth // 3 - 1, depth // 2 - 1, depth * 2 // 3 - 1, depth - 1],
        init_cfg=dict(type='Pretrained', checkpoint=checkpoint)),
    neck=dict(embed_dim=width),
    decode_head=dict(in_channels=[width] * 4, channels=head_channels, num_classes=num_classes, loss_decode=loss),
    auxiliary_head=dict(in_channels=width, channels=head_channels, num_classes=num_classes, loss_decode=loss),
    test_cfg=dict(mode='slide', crop_size=crop_size, stride=stride))

max_iters = 1000
warmup_iters = min(100, max_iters // 4)  # with 0 or 1 the first step has the full rate
interval = max(max_iters // 5, 1)  # of validations and checkpoints, in iterations
lr = 5e-4 if arch in ('tiny', 'small') else 1e-4
optim_wrapper = dict(optimizer=dict(lr=lr), paramwise_cfg=dict(layer_decay_rate=0.75))
rise = dict(type='LinearLR', start_factor=1e-3, by_epoch=False, begin=0, end=warmup_iters)
param_scheduler = [rise] * (warmup_iters > 1) + [
    dict(type='PolyLR', eta_min=0., power=1., begin=warmup_iters, end=max_iters, by_epoch=False)
]
train_cfg = dict(max_iters=max_iters, val_interval=interval)
default_hooks = dict(logger=dict(interval=10), checkpoint=dict(interval=interval))
