# Pooling, head and size are ViT-B's on ImageNet-1K; other configs say what differs.
num_classes = 1000
arch = 'base'
# Those of mae_mm.MAE(arch=...)
widths = {'tiny': 192, 'small': 384, 'base': 768, 'large': 1024, 'huge': 1280, '1b': 1536, '5b': 3072}
checkpoint = None  # of pre-training: to be given
model = dict(
    type='ImageClassifier',
    _scope_='mmpretrain',  # for mmengine.hub.get_model
    data_preprocessor=dict(
        num_classes=num_classes, mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], to_rgb=True),
    backbone=dict(type='mae_mm.MAE', arch=arch, out_type='avg_featmap', drop_path_rate=0.1),
    head=dict(
        type='LinearClsHead',
        num_classes=num_classes,
        in_channels=widths.get(arch),
        loss=dict(type='LabelSmoothLoss', label_smooth_val=0.1, mode='original'),
        init_cfg=dict(type='TruncNormal', layer='Linear', std=2e-5)))
