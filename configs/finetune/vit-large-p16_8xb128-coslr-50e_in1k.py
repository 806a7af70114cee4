"""Fine-tuning of a pre-trained ViT-L/16 on ImageNet-1K: 50 epochs of 8 x 128 images of 224 x 224.

Published, top-1: 85.95 % (facebookresearch/mae, FINETUNE.md; mean of four runs 85.87 %), after 1600 epochs of
pre-training; about 9 h on 32 V100.

    tools/dist_train.sh configs/finetune/vit-large-p16_8xb128-coslr-50e_in1k.py 8 \
        --cfg-options checkpoint=CHECKPOINT
"""
_base_ = './vit-base-p16_8xb128-coslr-100e_in1k.py'
arch = 'large'
model = dict(backbone=dict(arch=arch, drop_path_rate=0.2), head=dict(in_channels=_base_.widths.get(arch)))

lr = 1e-3 * _base_.base_batch_size / 256  # base rate x batch / 256
optim_wrapper = dict(optimizer=dict(lr=lr), paramwise_cfg=dict(layer_decay_rate=0.75))
param_scheduler = dict(min_ratio=_base_.min_lr / lr)
max_epochs = 50
train_cfg = dict(max_epochs=max_epochs)
