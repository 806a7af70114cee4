"""DPT (arXiv:2103.13413) with ViT-B on ADE20K: 160k iterations of 8 x 2 crops of 512 x 512.

mmsegmentation's head, with the widths of its own config. Not published for MAE; not trained by us.

    tools/dist_train.sh configs/mae/dpt_mae-base_fp16_8x2_512x512_160k_ade20k.py 8
"""
_base_ = './upernet_mae-base_fp16_8x2_512x512_160k_ade20k.py'

width = _base_.width
trainable_layers = None  # 0: the encoder is frozen
model = dict(
    backbone=dict(
        rel_pos_bias=False, final_norm=True, norm_outputs=True, out_indices=[2, 5, 8, 11],
        out_type='featmap+cls_token', trainable_layers=trainable_layers),
    neck=None,
    decode_head=dict(
        _delete_=True, type='mae_mm.DPTHead', in_channels=[width] * 4, in_index=[0, 1, 2, 3],
        input_transform='multiple_select', embed_dims=width, post_process_channels=[96, 192, 384, 768], channels=256,
        readout_type='project', num_classes=_base_.num_classes, norm_cfg=_base_.norm_cfg),
    auxiliary_head=None)
