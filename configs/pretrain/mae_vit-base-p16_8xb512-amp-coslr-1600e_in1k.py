"""MAE pre-training of ViT-B/16 on ImageNet-1K: 1600 epochs of 8 x 512 images of 224 x 224.

Published, top-1 on ImageNet-1K: 67.10 % linear probe and 83.50 % fine-tuned (mmpretrain, configs/mae); 83.6 %
fine-tuned (the paper).

    tools/dist_train.sh configs/pretrain/mae_vit-base-p16_8xb512-amp-coslr-1600e_in1k.py 8
"""
_base_ = './mae_vit-base-p16_8xb512-amp-coslr-300e_in1k.py'

max_epochs = 1600
train_cfg = dict(max_epochs=max_epochs)
