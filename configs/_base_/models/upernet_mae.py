# Those of mae_mm.MAE(arch=...)
widths = {'tiny': 192, 'small': 384, 'base': 768, 'large': 1024, 'huge': 1280, '1b': 1536, '5b': 3072}
norm_cfg = dict(type='SyncBN', requires_grad=True)
model = dict(
    type='mae_mm.EncoderDecoder',
    _scope_='mmseg',  # for mmengine.hub.get_model
    # Not a variable at the top level: mmengine would put it in the place of a multi-scale test's, which pads.
    data_preprocessor=dict(
        type='mae_mm.SegPreprocessor',
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
        pad_val=0,
        seg_pad_val=255),
    backbone=dict(type='mae_mm.MAE', rel_pos_bias=True, init_values=1.0, drop_path_rate=0.1, final_norm=False),
    neck=dict(type='Feature2Pyramid', rescales=[4, 2, 1, 0.5], norm_cfg=norm_cfg),
    decode_head=dict(
        type='mae_mm.UPerHead',
        in_index=[0, 1, 2, 3],
        pool_scales=(1, 2, 3, 6),
        dropout_ratio=0.1,
        norm_cfg=norm_cfg,
        align_corners=False,
        loss_decode=dict(type='CrossEntropyLoss', use_sigmoid=False, loss_weight=1.0)),
    auxiliary_head=dict(
        type='mae_mm.FCNHead',
        in_index=2,
        num_convs=1,
        concat_input=False,
        dropout_ratio=0.1,
        norm_cfg=norm_cfg,
        align_corners=False,
        loss_decode=dict(type='CrossEntropyLoss', use_sigmoid=False, loss_weight=0.4)),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'))
