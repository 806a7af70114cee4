"""Linear probe of a pre-trained ViT-B/16 on ImageNet-1K: 90 epochs of 8 x 2048 images of 224 x 224.

Published, top-1: 67.8 % (facebookresearch/mae, FINETUNE.md), after 1600 epochs of pre-training.

    tools/dist_train.sh configs/linear_probe/vit-base-p16_8xb2048-coslr-90e_in1k.py 8 \
        --cfg-options checkpoint=CHECKPOINT
"""
_base_ = [
    '../_base_/models/mae_classify.py', '../_base_/datasets/imagenet.py', '../_base_/schedules/linear_probe.py',
    '../_base_/classify_runtime.py'
]
width = _base_.widths.get(_base_.arch)
batch_size = 2048
model = dict(
    backbone=dict(
        img_size=_base_.img_size, out_type='cls_token', drop_path_rate=0., trainable_layers=0,
        init_cfg=dict(type='Pretrained', checkpoint=_base_.checkpoint)),
    neck=dict(type='ClsBatchNormNeck', input_features=width),
    head=dict(
        loss=dict(_delete_=True, type='CrossEntropyLoss'),
        init_cfg=dict(type='TruncNormal', layer='Linear', std=0.01)))
train_pipeline = [
    dict(type='mae_mm.SeedSample'),
    dict(type='mae_mm.LoadCrop', size=_base_.img_size, area=(0.08, 1.0)),
    *_base_.pack,
]
train_dataloader = dict(batch_size=batch_size, dataset=dict(pipeline=train_pipeline))
