"""Masks by queries in the last three layers of ViT-B (EoMT, arXiv:2503.19108), on ADE20K: 160k iterations.

8 x 2 crops of 512 x 512. Not published for MAE; not trained by us.

    tools/dist_train.sh configs/mae/mask_mae-base_fp16_8x2_512x512_160k_ade20k.py 8
"""
_base_ = './upernet_mae-base_fp16_8x2_512x512_160k_ade20k.py'

trainable_layers = None
model = dict(
    backbone=dict(
        rel_pos_bias=False, final_norm=True, out_type='featmap+prefix', out_indices=[-4],
        trainable_layers=trainable_layers),
    neck=None,
    decode_head=dict(_delete_=True, type='mae_mm.MaskHead', num_classes=_base_.num_classes, num_queries=100),
    auxiliary_head=None)
optim_wrapper = dict(paramwise_cfg=dict(layer_decay_rate=0.8))
default_hooks = dict(anneal_masks=dict(type='mae_mm.AnnealMasksHook'))
