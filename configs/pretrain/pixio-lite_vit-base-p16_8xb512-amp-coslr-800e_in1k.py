"""MAE pre-training of ViT-B/16 with what costs nothing of Pixio's (arXiv:2512.15715): 2 x 2 blocks, 4 class tokens.

Published for a deeper decoder (512 x 32) and ViT-H on ImageNet-21K: 2 x 2 blocks move k-NN from 55.8 to 63.3 and the
linear mIoU on ADE20K from 40.4 to 44.5, 4 class tokens from there to 75.1 and 44.8 (the paper, tables 11 to 15). This
project has not run it; docs/after_mae.md has what it measured on small images.

    tools/dist_train.sh configs/pretrain/pixio-lite_vit-base-p16_8xb512-amp-coslr-800e_in1k.py 8
"""
_base_ = './mae_vit-base-p16_8xb512-amp-coslr-800e_in1k.py'
num_cls_tokens = 4
mask_block = 2
model = dict(backbone=dict(num_cls_tokens=num_cls_tokens), mask_block=mask_block)
