"""DPT with ViT-L on ADE20K: 160k iterations of 8 x 2 crops.

512 x 512. Not published for MAE; not trained by us.

    tools/dist_train.sh configs/mae/dpt_mae-large_fp16_8x2_512x512_160k_ade20k.py 8
"""
_base_ = './dpt_mae-base_fp16_8x2_512x512_160k_ade20k.py'

arch = 'large'
width = _base_.widths.get(arch)
checkpoint = 'https://dl.fbaipublicfiles.com/mae/pretrain/mae_pretrain_vit_large.pth'
model = dict(
    backbone=dict(arch=arch, drop_path_rate=0.2, out_indices=[5, 11, 17, 23], init_cfg=dict(checkpoint=checkpoint)),
    decode_head=dict(in_channels=[width] * 4, embed_dims=width, post_process_channels=[256, 512, 1024, 1024]))
optim_wrapper = dict(paramwise_cfg=dict(layer_decay_rate=0.75))
