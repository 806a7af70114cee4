"""Fine-tuning of a pre-trained ViT-B/16 on ImageNet-1K: 100 epochs of 8 x 128 images of 224 x 224.

Published, top-1: 83.66 % (facebookresearch/mae, FINETUNE.md; mean of four runs 83.57 %), after 1600 epochs of
pre-training; about 7 h on 32 V100.

    tools/dist_train.sh configs/finetune/vit-base-p16_8xb128-coslr-100e_in1k.py 8 \
        --cfg-options checkpoint=CHECKPOINT
    python tools/test.py configs/finetune/vit-base-p16_8xb128-coslr-100e_in1k.py FINETUNED
"""
_base_ = [
    '../_base_/models/mae_classify.py', '../_base_/datasets/imagenet.py', '../_base_/schedules/finetune.py',
    '../_base_/classify_runtime.py'
]
model = dict(
    backbone=dict(img_size=_base_.img_size, init_cfg=dict(type='Pretrained', checkpoint=_base_.checkpoint)),
    train_cfg=dict(augments=[dict(type='Mixup', alpha=0.8), dict(type='CutMix', alpha=1.0)]))
