"""Masks by queries in three plain layers behind a ViT-tiny on CamVid: 400 iterations of 8 crops of 256 x 256.

    python tools/train.py configs/mae/mask-decoder_mae-tiny_1x8_256x256_400_camvid.py --cfg-options data_root=DIR
"""
_base_ = './upernet_mae-tiny_1x8_256x256_400_camvid.py'

trainable_layers = None  # 0: the encoder is frozen; for one that was pre-trained
model = dict(
    backbone=dict(
        rel_pos_bias=False, final_norm=True, norm_outputs=True, trainable_layers=trainable_layers),
    neck=None,
    decode_head=dict(
        _delete_=True, type='mae_mm.MaskHead', num_classes=_base_.num_classes, num_queries=50, num_points=4096,
        decoder=dict(embed_dims=_base_.width, num_layers=3, num_heads=3)),
    auxiliary_head=None)
default_hooks = dict(anneal_masks=dict(type='mae_mm.AnnealMasksHook'))
