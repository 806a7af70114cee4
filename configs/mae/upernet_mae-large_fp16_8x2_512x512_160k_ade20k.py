"""UPerNet with MAE ViT-L on ADE20K: 160k iterations of 8 x 2 crops of 512 x 512.

Paper: 53.6 mIoU (arXiv:2111.06377, table 5). No config of it was published: layers 7, 11, 15 and 23, layer decay
0.75 and drop path 0.2 are scaled from ViT-B as the official fine-tuning recipes do. Not trained by us.

    tools/dist_train.sh configs/mae/upernet_mae-large_fp16_8x2_512x512_160k_ade20k.py 8
"""
_base_ = './upernet_mae-base_fp16_8x2_512x512_160k_ade20k.py'

arch = 'large'
width = _base_.widths.get(arch)
checkpoint = 'https://dl.fbaipublicfiles.com/mae/pretrain/mae_pretrain_vit_large.pth'
model = dict(
    backbone=dict(
        arch=arch,
        drop_path_rate=0.2,
        out_indices=[7, 11, 15, 23],
        init_cfg=dict(checkpoint=checkpoint)),
    neck=dict(embed_dim=width),
    decode_head=dict(in_channels=[width] * 4, channels=width),
    auxiliary_head=dict(in_channels=width))
optim_wrapper = dict(paramwise_cfg=dict(layer_decay_rate=0.75))
