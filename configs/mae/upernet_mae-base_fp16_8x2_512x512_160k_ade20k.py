"""UPerNet with MAE ViT-B on ADE20K: 160k iterations of 8 x 2 crops of 512 x 512.

Published: 48.13 mIoU (mmsegmentation's MAE folder; 8 V100, 9.96 GB each). Paper: 48.1 (arXiv:2111.06377, table 5).

    tools/dist_train.sh configs/mae/upernet_mae-base_fp16_8x2_512x512_160k_ade20k.py 8
"""
_base_ = [
    '../_base_/models/upernet_mae.py', '../_base_/datasets/ade20k.py', '../_base_/schedules/schedule_160k.py',
    '../_base_/segment_runtime.py'
]
crop_size = (512, 512)
arch = 'base'
width = _base_.widths.get(arch)
checkpoint = 'https://dl.fbaipublicfiles.com/mae/pretrain/mae_pretrain_vit_base.pth'
model = dict(
    # Test images smaller than a window are padded to one.
    data_preprocessor=dict(size=crop_size, test_cfg=dict(size=crop_size)),
    backbone=dict(
        arch=arch,
        img_size=crop_size,
        out_indices=[3, 5, 7, 11],
        init_cfg=dict(type='Pretrained', checkpoint=checkpoint)),
    neck=dict(embed_dim=width),
    decode_head=dict(in_channels=[width] * 4, channels=width, num_classes=_base_.num_classes),
    auxiliary_head=dict(in_channels=width, channels=256, num_classes=_base_.num_classes),
    test_cfg=dict(mode='slide', crop_size=crop_size, stride=(341, 341)))
