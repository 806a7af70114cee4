"""MAE pre-training of a small ViT with patches of 4 on CIFAR-100, as on CIFAR-10.

    python tools/dataset_converters/image_folder.py cifar100 data/cifar100
    python tools/train.py configs/pretrain/mae_vit-tiny-p4_1xb64-coslr-30e_cifar100.py
"""
_base_ = './mae_vit-tiny-p4_1xb64-coslr-30e_cifar10.py'
data_root = 'data/cifar100'
train_dataloader = dict(dataset=dict(data_root=data_root))
val_dataloader = dict(dataset=dict(data_root=data_root))
test_dataloader = val_dataloader
