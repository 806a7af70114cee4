"""MAE pre-training of ViT-L/16 on ImageNet-1K: 800 epochs of 8 x 512 images of 224 x 224.

Published, top-1 on ImageNet-1K: 73.70 % linear probe and 85.40 % fine-tuned (mmpretrain, configs/mae); 85.5 %
fine-tuned and 42 h on 64 V100 (facebookresearch/mae, PRETRAIN.md).

    tools/dist_train.sh configs/pretrain/mae_vit-large-p16_8xb512-amp-coslr-800e_in1k.py 8
"""
_base_ = './mae_vit-large-p16_8xb512-amp-coslr-300e_in1k.py'

max_epochs = 800
train_cfg = dict(max_epochs=max_epochs)
