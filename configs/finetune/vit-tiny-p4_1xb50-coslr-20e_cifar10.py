"""The small CIFAR-10 encoder on all labelled images of CIFAR-10 (or of any folder of 32 x 32 images in ten classes).

    python tools/dataset_converters/image_folder.py cifar10 data/cifar10
    python tools/train.py configs/finetune/vit-tiny-p4_1xb50-coslr-20e_cifar10.py \
        --cfg-options checkpoint=CHECKPOINT
"""
_base_ = './vit-tiny-p4_1xb50-coslr-20e_cifar10-1000.py'
train_dataloader = dict(dataset=dict(per_class=None))
