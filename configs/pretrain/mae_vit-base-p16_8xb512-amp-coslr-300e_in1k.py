"""MAE pre-training of ViT-B/16 on ImageNet-1K: 300 epochs of 8 x 512 images of 224 x 224.

Published, top-1 on ImageNet-1K: 60.80 % linear probe and 83.10 % fine-tuned (mmpretrain, configs/mae).

    tools/dist_train.sh configs/pretrain/mae_vit-base-p16_8xb512-amp-coslr-300e_in1k.py 8
"""
_base_ = [
    '../_base_/models/mae_pretrain.py', '../_base_/datasets/imagenet_unlabelled.py',
    '../_base_/schedules/pretrain.py', '../_base_/pretrain_runtime.py'
]
arch = 'base'
model = dict(backbone=dict(arch=arch, img_size=_base_.img_size))

max_epochs = 300
train_cfg = dict(max_epochs=max_epochs)
