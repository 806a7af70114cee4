"""A linear head on the frozen features of ViT-B, on ADE20K: 40k iterations of 8 x 2 crops of 512 x 512.

Batch norm and a 1x1 convolution of the last layer's patches; rate, decay and iterations are those of DINOv2's public
config. Not published for MAE; not trained by us. For the last four layers too, and the class token:

    --cfg-options layers=-4,-3,-2,-1 class_token=True

    tools/dist_train.sh configs/mae/linear_mae-base_fp16_8x2_512x512_40k_ade20k.py 8
"""
_base_ = './upernet_mae-base_fp16_8x2_512x512_160k_ade20k.py'

width = _base_.width
layers = [-1]
class_token = False
trainable_layers = 0  # None: all are tuned
model = dict(
    backbone=dict(
        rel_pos_bias=False, init_values=None, final_norm=True, norm_outputs=True, drop_path_rate=0.,
        out_indices=layers, out_type='featmap+cls_token' if class_token else 'featmap',
        trainable_layers=trainable_layers),
    neck=None,
    decode_head=dict(
        _delete_=True, type='mae_mm.LinearHead', in_channels=width * len(layers) * (1 + class_token),
        num_classes=_base_.num_classes, norm_cfg=_base_.norm_cfg),
    auxiliary_head=None)

max_iters = 40000
warmup_iters = min(1500, max_iters // 4)  # with 0 or 1 the first step has the full rate
lr = 1e-3
optim_wrapper = dict(optimizer=dict(lr=lr, weight_decay=1e-4), paramwise_cfg=dict(layer_decay_rate=1.))
rise = dict(type='LinearLR', start_factor=1e-6, by_epoch=False, begin=0, end=warmup_iters)
param_scheduler = [rise] * (warmup_iters > 1) + [
    dict(type='PolyLR', eta_min=0., power=1., begin=warmup_iters, end=max_iters, by_epoch=False)
]
train_cfg = dict(max_iters=max_iters, val_interval=min(4000, max_iters))
default_hooks = dict(checkpoint=dict(interval=4000))
