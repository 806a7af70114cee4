"""Fine-tuning of a pre-trained ViT-H/14 on ImageNet-1K: 50 epochs of 8 x 128 images of 224 x 224.

Published, top-1: 86.93 % (facebookresearch/mae, FINETUNE.md), after 1600 epochs of pre-training; about 13 h on 64
V100. A card that cannot hold 128 images takes --cfg-options accumulate=4.

    tools/dist_train.sh configs/finetune/vit-huge-p14_8xb128-coslr-50e_in1k.py 8 \
        --cfg-options checkpoint=CHECKPOINT
"""
_base_ = './vit-large-p16_8xb128-coslr-50e_in1k.py'
arch = 'huge'
model = dict(
    backbone=dict(arch=arch, patch_size=14, drop_path_rate=0.3), head=dict(in_channels=_base_.widths.get(arch)))
