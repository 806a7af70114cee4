"""DPT on a ViT-tiny on CamVid: 400 iterations of 8 crops of 256 x 256.

    python tools/train.py configs/mae/dpt_mae-tiny_1x8_256x256_400_camvid.py --cfg-options data_root=DIR
"""
_base_ = './upernet_mae-tiny_1x8_256x256_400_camvid.py'

width = _base_.width
trainable_layers = None  # 0: the encoder is frozen; for one that was pre-trained
model = dict(
    backbone=dict(
        rel_pos_bias=False, final_norm=True, norm_outputs=True, out_indices=[2, 5, 8, 11],
        out_type='featmap+cls_token', trainable_layers=trainable_layers),
    neck=None,
    decode_head=dict(
        _delete_=True, type='mae_mm.DPTHead', in_channels=[width] * 4, in_index=[0, 1, 2, 3],
        input_transform='multiple_select', embed_dims=width, post_process_channels=[24, 48, 96, 192], channels=64,
        readout_type='project', num_classes=_base_.num_classes, norm_cfg=_base_.norm_cfg),
    auxiliary_head=None)
