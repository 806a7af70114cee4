"""Linear probe of a pre-trained ViT-L/16 on ImageNet-1K: 50 epochs of 8 x 2048 images of 224 x 224.

Published, top-1: 76.0 % (facebookresearch/mae, FINETUNE.md), after 1600 epochs of pre-training.

    tools/dist_train.sh configs/linear_probe/vit-large-p16_8xb2048-coslr-50e_in1k.py 8 \
        --cfg-options checkpoint=CHECKPOINT
"""
_base_ = './vit-base-p16_8xb2048-coslr-90e_in1k.py'
arch = 'large'
width = _base_.widths.get(arch)
model = dict(
    backbone=dict(arch=arch, patch_size=16), neck=dict(input_features=width), head=dict(in_channels=width))
max_epochs = 50
train_cfg = dict(max_epochs=max_epochs)
