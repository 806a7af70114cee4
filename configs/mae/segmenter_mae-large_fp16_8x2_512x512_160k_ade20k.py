"""Segmenter with ViT-L on ADE20K: 160k iterations of 8 x 2 crops.

512 x 512. Not published for MAE; not trained by us.

    tools/dist_train.sh configs/mae/segmenter_mae-large_fp16_8x2_512x512_160k_ade20k.py 8
"""
_base_ = './segmenter_mae-base_fp16_8x2_512x512_160k_ade20k.py'

arch = 'large'
width = _base_.widths.get(arch)
checkpoint = 'https://dl.fbaipublicfiles.com/mae/pretrain/mae_pretrain_vit_large.pth'
model = dict(
    backbone=dict(arch=arch, drop_path_rate=0.2, init_cfg=dict(checkpoint=checkpoint)),
    decode_head=dict(in_channels=width, channels=width, num_heads=width // 64, embed_dims=width))
optim_wrapper = dict(paramwise_cfg=dict(layer_decay_rate=0.75))
