# ADE20K (SceneParse150): data/ade/ADEChallengeData2016/{images,annotations}/{training,validation}
dataset_type = 'ADE20KDataset'
data_root = 'data/ade/ADEChallengeData2016'
num_classes = 150
crop_size = (512, 512)
scale = (2048, 512)  # images are resized to fit: long side, short side
batch_size = 2  # for each GPU

load = [
    dict(type='LoadImageFromFile', _scope_='mae_mm'),
]
load_labels = [
    dict(type='LoadAnnotations'),
    dict(type='mae_mm.CheckLabels', num_classes=num_classes),
]
train_pipeline = [
    dict(type='mae_mm.SeedSample'),
    *load,
    *load_labels,
    dict(type='RandomResize', scale=scale, ratio_range=(0.5, 2.0), keep_ratio=True),
    dict(type='RandomCrop', crop_size=crop_size, cat_max_ratio=0.75),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PhotoMetricDistortion'),
    dict(type='PackSegInputs'),
]
test_pipeline = [
    *load,
    dict(type='Resize', scale=scale, keep_ratio=True),
    *load_labels,  # at the original size, at which predictions are compared
    dict(type='PackSegInputs'),
]
# Multi-scale and flip as mmsegmentation 0.x did it for MAE (`Resize(min_size=512)` of the scale (2048, 512)):
# the short side is that of `scale` times the ratio but never less, whatever the long side becomes. So the first three
# ratios give the same size, and count three times in the average.
img_ratios = [0.5, 0.75, 1.0, 1.25, 1.5, 1.75]
no_limit, short_side = 1_000_000, scale[1]
tta_pipeline = [
    *load,
    dict(
        type='TestTimeAug',
        transforms=[
            [dict(type='Resize', scale=(no_limit, max(short_side, int(short_side * r))), keep_ratio=True)
             for r in img_ratios],
            [dict(type='RandomFlip', prob=p, direction='horizontal') for p in (0., 1.)],
            [dict(type='LoadAnnotations')],
            [dict(type='mae_mm.CheckLabels', num_classes=num_classes)],
            [dict(type='PackSegInputs')],
        ])
]
train_dataloader = dict(
    batch_size=batch_size,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='mae_mm.ResumableSampler', shuffle=True),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        data_prefix=dict(img_path='images/training', seg_map_path='annotations/training'),
        pipeline=train_pipeline))
val_dataloader = dict(
    batch_size=1,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        data_prefix=dict(img_path='images/validation', seg_map_path='annotations/validation'),
        pipeline=test_pipeline))
test_dataloader = val_dataloader
