"""Pixio's pre-training (arXiv:2512.15715) of ViT-H/16: 400 epochs of 1605 steps of 8192 images of 256 x 256.

Blocks of 4 x 4 patches are hidden together, the encoder has 8 class tokens, the decoder 32 layers; positions are
learned, and images are not flipped. Settings are those of facebookresearch/pixio,
pretraining/scripts/pretrain_pixio_vith16_imagenet.sh. Published, frozen, on ImageNet-21K with 4 class tokens and
2 x 2 blocks: 75.1 % k-NN on ImageNet-1K, 44.8 mIoU of a linear classifier on ADE20K (the paper, tables 11 to 15). This
project has not run it.

    tools/dist_train.sh configs/pretrain/pixio_vit-huge-p16_128xb64-amp-coslr-400e_in21k.py 8 --cfg-options \
        data_root=DIR accumulate=16
"""
_base_ = [
    '../_base_/models/mae_pretrain.py', '../_base_/datasets/unlabelled.py', '../_base_/schedules/pretrain.py',
    '../_base_/pretrain_runtime.py'
]
data_root = 'data/imagenet21k'  # a folder, or shards of one (docs/shards.md)
arch = 'huge'
img_size = 256
batch_size = 64  # of each of 128 GPUs
flip = 0.
num_cls_tokens = 8
mask_block = 4
model = dict(
    backbone=dict(arch=arch, img_size=img_size, num_cls_tokens=num_cls_tokens, learned_positions=True,
                  drop_path_rate=0.4),
    decoder=dict(num_layers=32),
    mask_block=mask_block)
train_pipeline = [
    dict(type='mae_mm.SeedSample'),
    dict(type='mae_mm.LoadCrop', size=img_size, area=(0.2, 1.0), flip=flip),
    *_base_.pack,
]
test_pipeline = [
    *_base_.load,
    dict(type='ResizeEdge', _scope_='mae_mm', scale=img_size * 256 // 224, edge='short', backend='pillow',
         interpolation='bicubic'),
    dict(type='CenterCrop', crop_size=img_size),
    *_base_.pack,
]
train_dataloader = dict(batch_size=batch_size, dataset=dict(data_root=data_root, pipeline=train_pipeline))
val_dataloader = dict(batch_size=batch_size, dataset=dict(data_root=data_root, pipeline=test_pipeline))
test_dataloader = val_dataloader

base_batch_size = 8192
lr = 2.5e-5 * base_batch_size / 256  # base rate x batch / 256
max_epochs = 400
optim_wrapper = dict(optimizer=dict(lr=lr))
auto_scale_lr = dict(base_batch_size=base_batch_size)
train_cfg = dict(max_epochs=max_epochs)
