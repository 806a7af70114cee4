"""Masks by queries in three plain layers that read four maps of a frozen ViT-B, on ADE20K.

160k iterations of 8 x 2 crops of 512 x 512. Not published; not trained by us.

    tools/dist_train.sh configs/mae/mask-decoder_mae-base_fp16_8x2_512x512_160k_ade20k.py 8
"""
_base_ = './upernet_mae-base_fp16_8x2_512x512_160k_ade20k.py'

trainable_layers = 0  # None: all are tuned
model = dict(
    backbone=dict(
        rel_pos_bias=False, init_values=None, final_norm=True, norm_outputs=True, drop_path_rate=0.,
        trainable_layers=trainable_layers),
    neck=None,
    decode_head=dict(
        _delete_=True, type='mae_mm.MaskHead', num_classes=_base_.num_classes, num_queries=100,
        decoder=dict(embed_dims=512, num_layers=3, num_heads=8)),
    auxiliary_head=None)
default_hooks = dict(anneal_masks=dict(type='mae_mm.AnnealMasksHook'))
