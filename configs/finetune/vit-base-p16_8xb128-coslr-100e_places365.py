"""Fine-tuning of a pre-trained ViT-B/16 on Places365: the recipe of ImageNet-1K, for 100 epochs.

Published, top-1: 57.9 % (the paper, table 6, with settings tuned for each data set).

    tools/dist_train.sh configs/finetune/vit-base-p16_8xb128-coslr-100e_places365.py 8 \
        --cfg-options checkpoint=CHECKPOINT
"""
_base_ = './vit-base-p16_8xb128-coslr-100e_in1k.py'
num_classes = 365
model = dict(data_preprocessor=dict(num_classes=num_classes), head=dict(num_classes=num_classes))

data_root = 'data/places365'  # docs/datasets.md
dataset = dict(_delete_=True, type='mae_mm.ListedImages', num_classes=num_classes, data_root=data_root)
train_dataloader = dict(
    dataset=dict(**dataset, data_prefix='data_large_standard', ann_file='places365_train_standard.txt',
                 on_broken=_base_.on_broken, max_broken=_base_.max_broken, pipeline=_base_.train_pipeline))
val_dataloader = dict(
    dataset=dict(**dataset, data_prefix='val_large', ann_file='places365_val.txt',
                 pipeline=_base_.test_pipeline))
test_dataloader = val_dataloader
