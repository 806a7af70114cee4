"""Segmenter (arXiv:2105.05633) with ViT-B on ADE20K: 160k iterations of 8 x 2 crops of 512 x 512.

mmsegmentation's head: two layers in which a token for each class joins the patches. Not published for MAE; not trained
by us.

    tools/dist_train.sh configs/mae/segmenter_mae-base_fp16_8x2_512x512_160k_ade20k.py 8
"""
_base_ = './upernet_mae-base_fp16_8x2_512x512_160k_ade20k.py'

width = _base_.width
trainable_layers = None  # 0: the encoder is frozen
model = dict(
    backbone=dict(rel_pos_bias=False, final_norm=True, out_indices=[-1], trainable_layers=trainable_layers),
    neck=None,
    decode_head=dict(
        _delete_=True, type='mae_mm.SegmenterMaskTransformerHead', in_channels=width, channels=width,
        num_classes=_base_.num_classes, num_layers=2, num_heads=width // 64, embed_dims=width, dropout_ratio=0.),
    auxiliary_head=None)
