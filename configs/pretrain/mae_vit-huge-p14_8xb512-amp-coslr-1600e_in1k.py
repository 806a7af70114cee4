"""MAE pre-training of ViT-H/14 on ImageNet-1K: 1600 epochs of 8 x 512 images of 224 x 224.

Published, top-1 on ImageNet-1K: 86.90 % fine-tuned, 87.30 % at 448 pixels (mmpretrain, configs/mae); 86.9 % and
87.8 % (the paper).

A part of 256 images takes 40 GiB, measured on an H100 in bfloat16, and AdamW's states 5 GiB; 512 at once would take
about 80. model.decoder.with_cp=True saves memory at the cost of time.

    tools/dist_train.sh configs/pretrain/mae_vit-huge-p14_8xb512-amp-coslr-1600e_in1k.py 8
"""
_base_ = [
    '../_base_/models/mae_pretrain.py', '../_base_/datasets/imagenet_unlabelled.py',
    '../_base_/schedules/pretrain.py', '../_base_/pretrain_runtime.py'
]
arch = 'huge'
model = dict(backbone=dict(arch=arch, patch_size=14, img_size=_base_.img_size))

accumulate = 2
max_epochs = 1600
train_cfg = dict(max_epochs=max_epochs)
