"""A linear head on a ViT-tiny on CamVid: 400 iterations of 8 crops of 256 x 256.

    python tools/train.py configs/mae/linear_mae-tiny_1x8_256x256_400_camvid.py --cfg-options data_root=DIR
"""
_base_ = './upernet_mae-tiny_1x8_256x256_400_camvid.py'

trainable_layers = None  # 0: the encoder is frozen; for one that was pre-trained
model = dict(
    backbone=dict(
        rel_pos_bias=False, final_norm=True, out_indices=[-1], trainable_layers=trainable_layers),
    neck=None,
    decode_head=dict(
        _delete_=True, type='mae_mm.LinearHead', in_channels=_base_.width,
        num_classes=_base_.num_classes, norm_cfg=_base_.norm_cfg),
    auxiliary_head=None)
