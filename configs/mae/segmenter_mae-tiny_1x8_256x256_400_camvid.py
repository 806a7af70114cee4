"""Segmenter on a ViT-tiny on CamVid: 400 iterations of 8 crops of 256 x 256.

    python tools/train.py configs/mae/segmenter_mae-tiny_1x8_256x256_400_camvid.py --cfg-options data_root=DIR
"""
_base_ = './upernet_mae-tiny_1x8_256x256_400_camvid.py'

width = _base_.width
trainable_layers = None  # 0: the encoder is frozen; for one that was pre-trained
model = dict(
    backbone=dict(
        rel_pos_bias=False, final_norm=True, out_indices=[-1], trainable_layers=trainable_layers),
    neck=None,
    decode_head=dict(
        _delete_=True, type='mae_mm.SegmenterMaskTransformerHead', in_channels=width, channels=width,
        num_classes=_base_.num_classes, num_layers=2, num_heads=3, embed_dims=width, dropout_ratio=0.),
    auxiliary_head=None)
