"""MAE pre-training of ViT-L/16 on ImageNet-1K: 300 epochs of 8 x 512 images of 224 x 224.

No result of this length was published.

    tools/dist_train.sh configs/pretrain/mae_vit-large-p16_8xb512-amp-coslr-300e_in1k.py 8
"""
_base_ = [
    '../_base_/models/mae_pretrain.py', '../_base_/datasets/imagenet_unlabelled.py',
    '../_base_/schedules/pretrain.py', '../_base_/pretrain_runtime.py'
]
arch = 'large'
model = dict(backbone=dict(arch=arch, img_size=_base_.img_size))

max_epochs = 300
train_cfg = dict(max_epochs=max_epochs)
