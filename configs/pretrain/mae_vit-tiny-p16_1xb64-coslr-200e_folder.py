"""MAE pre-training of a ViT-Ti/16 (192 wide, 12 layers) on any folder of images, flat or nested, without labels.

    python tools/train.py configs/pretrain/mae_vit-tiny-p16_1xb64-coslr-200e_folder.py --cfg-options data_root=DIR
"""
_base_ = [
    '../_base_/models/mae_pretrain.py', '../_base_/datasets/unlabelled.py', '../_base_/schedules/pretrain.py',
    '../_base_/pretrain_runtime.py'
]
model = dict(
    backbone=dict(embed_dims=192, num_layers=12, num_heads=3),
    decoder=dict(embed_dims=128, num_layers=2, num_heads=4))

batch_size = 64
optim_wrapper = dict(optimizer=dict(lr=1.5e-3 * batch_size / 256))  # ten times the base rate of large models
auto_scale_lr = dict(base_batch_size=batch_size)
train_dataloader = dict(batch_size=batch_size)
train_cfg = dict(max_epochs=200, val_interval=10)
param_scheduler = dict(warmup=10)
default_hooks = dict(logger=dict(interval=10), checkpoint=dict(interval=10))
