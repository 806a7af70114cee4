"""A linear head on the frozen features of ViT-L, on ADE20K: 40k iterations of 8 x 2 crops.

512 x 512. Not published for MAE; not trained by us.

    tools/dist_train.sh configs/mae/linear_mae-large_fp16_8x2_512x512_40k_ade20k.py 8
"""
_base_ = './linear_mae-base_fp16_8x2_512x512_40k_ade20k.py'

arch = 'large'
width = _base_.widths.get(arch)
checkpoint = 'https://dl.fbaipublicfiles.com/mae/pretrain/mae_pretrain_vit_large.pth'
model = dict(
    backbone=dict(arch=arch, init_cfg=dict(checkpoint=checkpoint)),
    decode_head=dict(in_channels=width * len(_base_.layers) * (1 + _base_.class_token)))
