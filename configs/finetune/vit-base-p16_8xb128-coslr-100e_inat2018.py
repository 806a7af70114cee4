"""Fine-tuning of a pre-trained ViT-B/16 on iNaturalist 2018: the recipe of ImageNet-1K, for 100 epochs.

Published, top-1: 75.4 % (the paper, table 6, with settings tuned for each data set).

    tools/dist_train.sh configs/finetune/vit-base-p16_8xb128-coslr-100e_inat2018.py 8 \
        --cfg-options checkpoint=CHECKPOINT
"""
_base_ = './vit-base-p16_8xb128-coslr-100e_in1k.py'
num_classes = 8142
model = dict(data_preprocessor=dict(num_classes=num_classes), head=dict(num_classes=num_classes))

data_root = 'data/inat2018'  # docs/datasets.md
dataset = dict(_delete_=True, type='mae_mm.ListedImages', num_classes=num_classes, data_root=data_root)
train_dataloader = dict(
    dataset=dict(**dataset, data_prefix='', ann_file='train2018.json',
                 on_broken=_base_.on_broken, max_broken=_base_.max_broken, pipeline=_base_.train_pipeline))
val_dataloader = dict(
    dataset=dict(**dataset, data_prefix='', ann_file='val2018.json',
                 pipeline=_base_.test_pipeline))
test_dataloader = val_dataloader
