"""MAE pre-training on any folder of images, flat or nested, without labels.

    mae-mm train pretrain/mae_vit_folder --cfg-options data_root=DIR [arch=small] [img_size=96] [mask_block=2]
"""
_base_ = [
    '../_base_/models/mae_pretrain.py', '../_base_/datasets/unlabelled.py', '../_base_/schedules/pretrain.py',
    '../_base_/pretrain_runtime.py'
]
arch = 'tiny'
patch_size = 14 if arch == 'huge' else 16
decoder = dict(embed_dims=128, num_layers=2, num_heads=4) if arch in ('tiny', 'small') else dict()
num_cls_tokens = 1
mask_block = 1  # side, in patches, of what is hidden together
model = dict(
    backbone=dict(arch=arch, patch_size=patch_size, img_size=_base_.img_size, num_cls_tokens=num_cls_tokens),
    decoder=decoder,
    mask_block=mask_block)

base_batch_size = _base_.batch_size
lr = (1.5e-3 if arch in ('tiny', 'small') else 1.5e-4) * base_batch_size / 256  # base rate x batch / 256
max_epochs = 200
warmup_epochs = min(10, max_epochs / 4)
interval = max(max_epochs // 20, 1)  # of validations and checkpoints, in epochs
optim_wrapper = dict(optimizer=dict(lr=lr))
auto_scale_lr = dict(base_batch_size=base_batch_size)
train_cfg = dict(max_epochs=max_epochs, val_interval=interval)
param_scheduler = dict(warmup=warmup_epochs)
default_hooks = dict(logger=dict(interval=10), checkpoint=dict(interval=interval))
