"""The small STL-10 encoder on the 5,000 labelled images of STL-10, 96 x 96.

    python tools/dataset_converters/image_folder.py stl10 data/stl10
    python tools/train.py configs/finetune/vit-tiny-p8_1xb50-coslr-20e_stl10.py \
        --cfg-options checkpoint=CHECKPOINT
"""
_base_ = './vit-tiny-p4_1xb50-coslr-20e_cifar10.py'
img_size = 96
model = dict(
    data_preprocessor=dict(mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375]),
    backbone=dict(img_size=img_size, patch_size=8, num_layers=12))

data_root = 'data/stl10'
train_pipeline = [
    dict(type='mae_mm.SeedSample'),
    *_base_.load,
    dict(type='RandomCrop', crop_size=img_size, padding=12),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackInputs'),
]
train_dataloader = dict(num_workers=4, dataset=dict(data_root=data_root, pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(data_root=data_root))
test_dataloader = val_dataloader
