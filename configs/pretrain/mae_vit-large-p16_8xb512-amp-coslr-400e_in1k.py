"""MAE pre-training of ViT-L/16 on ImageNet-1K: 400 epochs of 8 x 512 images of 224 x 224.

Published, top-1 on ImageNet-1K: 70.70 % linear probe and 85.20 % fine-tuned (mmpretrain, configs/mae).

    tools/dist_train.sh configs/pretrain/mae_vit-large-p16_8xb512-amp-coslr-400e_in1k.py 8
"""
_base_ = './mae_vit-large-p16_8xb512-amp-coslr-300e_in1k.py'

max_epochs = 400
train_cfg = dict(max_epochs=max_epochs)
