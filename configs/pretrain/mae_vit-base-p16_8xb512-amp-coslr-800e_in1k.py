"""MAE pre-training of ViT-B/16 on ImageNet-1K: 800 epochs of 8 x 512 images of 224 x 224.

Published, top-1 on ImageNet-1K: 65.10 % linear probe and 83.30 % fine-tuned (mmpretrain, configs/mae).

    tools/dist_train.sh configs/pretrain/mae_vit-base-p16_8xb512-amp-coslr-800e_in1k.py 8
"""
_base_ = './mae_vit-base-p16_8xb512-amp-coslr-300e_in1k.py'

max_epochs = 800
train_cfg = dict(max_epochs=max_epochs)
