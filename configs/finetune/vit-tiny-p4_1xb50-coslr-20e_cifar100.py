"""The small CIFAR-100 encoder on CIFAR-100.

    python tools/dataset_converters/image_folder.py cifar100 data/cifar100
    python tools/train.py configs/finetune/vit-tiny-p4_1xb50-coslr-20e_cifar100.py \
        --cfg-options checkpoint=CHECKPOINT
"""
_base_ = './vit-tiny-p4_1xb50-coslr-20e_cifar10.py'
model = dict(head=dict(num_classes=100))
data_root = 'data/cifar100'
train_dataloader = dict(dataset=dict(data_root=data_root))
val_dataloader = dict(dataset=dict(data_root=data_root))
test_dataloader = val_dataloader
