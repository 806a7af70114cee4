"""Masks by queries in the last four layers of ViT-L, on ADE20K: 160k iterations of 8 x 2 crops.

512 x 512. Not published for MAE; not trained by us.

    tools/dist_train.sh configs/mae/mask_mae-large_fp16_8x2_512x512_160k_ade20k.py 8
"""
_base_ = './mask_mae-base_fp16_8x2_512x512_160k_ade20k.py'

arch = 'large'
checkpoint = 'https://dl.fbaipublicfiles.com/mae/pretrain/mae_pretrain_vit_large.pth'
model = dict(backbone=dict(arch=arch, drop_path_rate=0.2, out_indices=[-5], init_cfg=dict(checkpoint=checkpoint)))
