"""Partial fine-tuning of a pre-trained ViT-L/16 on ImageNet-1K (the paper, section 4.3).

Of the encoder only the last layer is trained.

    tools/dist_train.sh configs/finetune/vit-large-p16_8xb128-coslr-50e_in1k_partial-1.py 8 \
        --cfg-options checkpoint=CHECKPOINT
"""
_base_ = './vit-large-p16_8xb128-coslr-50e_in1k.py'
model = dict(backbone=dict(trainable_layers=1))
