"""Distillation of a frozen encoder into a smaller one, on any folder of images, flat or nested, without labels.

    mae-mm train pretrain/distill_vit_folder --cfg-options data_root=DIR checkpoint=TEACHER.pth [teacher_arch=large] \
        [arch=small] [img_size=96] [cached_images=10000]

The teacher is a ViT-B unless teacher_arch says otherwise; what else its file holds (class tokens, layer scale) is told
by settings such as model.teacher.num_cls_tokens=8. Both read the same images: the teacher whole, the student a half.
"""
_base_ = './mae_vit_folder.py'
arch = 'tiny'
teacher_arch = 'base'
patch_size = 16
checkpoint = None  # of the teacher
# Above 0: crops stay as they are, and the teacher sees each of so many images once; what it made of them is kept in
# memory, 2 x (patches + 1) x width bytes for an image (300 kB of a ViT-B).
cached_images = 0
if cached_images:
    train_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))
model = dict(
    _delete_=True,
    type='mae_mm.Distiller',
    data_preprocessor=dict(
        type='mae_mm.ImagePreprocessor', mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True),
    backbone=dict(type='mae_mm.MAE', arch=arch, patch_size=patch_size, img_size=_base_.img_size),
    teacher=dict(
        type='mae_mm.MAE', arch=teacher_arch, patch_size=patch_size, img_size=_base_.img_size,
        init_cfg=dict(type='Pretrained', checkpoint=checkpoint)),
    layers=-1,
    mask_ratio=0.5,
    cached_images=cached_images)
optim_wrapper = dict(paramwise_cfg=dict(custom_keys=dict(_delete_=True, cls_token=dict(decay_mult=0.))))
default_hooks = dict(reconstruction=None)
