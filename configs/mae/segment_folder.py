"""A light head on a pre-trained ViT, on any folder of images and label maps: DIR/{images,labels}[/{train,val}].

    mae-mm train mae/segment_folder --cfg-options data_root=DIR checkpoint=CHECKPOINT head=mask [trainable_layers=0]

head is linear, dpt, segmenter, mask (queries in the last three layers of the encoder) or mask_decoder (queries in
three layers behind it); trainable_layers=0 freezes the encoder.
"""
_base_ = './upernet_folder.py'

head = 'linear'
trainable_layers = None
width = _base_.width
if width is None:
    raise ValueError(f'arch={_base_.arch!r} is none of {", ".join(_base_.widths)}')
num_heads = max(width // 64, 1)
four = _base_.model.backbone.out_indices
common = dict(num_classes=None)  # those of the folder
per_pixel = dict(common, loss_decode=dict(type='CrossEntropyLoss', class_weight=_base_.class_weight))
queries = dict(common, type='mae_mm.MaskHead', num_queries=50, num_points=4096)
heads = dict(
    linear=(dict(out_indices=[-1]), dict(
        per_pixel, type='mae_mm.LinearHead', in_channels=width, norm_cfg=_base_.norm_cfg)),
    dpt=(dict(out_indices=four, norm_outputs=True, out_type='featmap+cls_token'), dict(
        per_pixel, type='mae_mm.DPTHead', in_channels=[width] * 4, in_index=[0, 1, 2, 3],
        input_transform='multiple_select', embed_dims=width, readout_type='project', norm_cfg=_base_.norm_cfg,
        post_process_channels=[width // 8, width // 4, width // 2, width], channels=max(width // 3, 64))),
    segmenter=(dict(out_indices=[-1]), dict(
        per_pixel, type='mae_mm.SegmenterMaskTransformerHead', in_channels=width, channels=width, num_layers=2,
        num_heads=num_heads, embed_dims=width, dropout_ratio=0.)),
    mask=(dict(out_indices=[-4], out_type='featmap+prefix'), queries),
    mask_decoder=(dict(out_indices=four, norm_outputs=True), dict(
        queries, decoder=dict(embed_dims=width, num_layers=3, num_heads=num_heads))))
if head not in heads:
    raise ValueError(f'head={head!r} is none of {", ".join(heads)}')
backbone, decode_head = heads[head]
model = dict(
    backbone=dict(rel_pos_bias=False, final_norm=True, trainable_layers=trainable_layers, **backbone),
    neck=None,
    decode_head=dict(_delete_=True, **decode_head),
    auxiliary_head=None)
default_hooks = dict(anneal_masks=dict(type='mae_mm.AnnealMasksHook')) if head.startswith('mask') else dict()
