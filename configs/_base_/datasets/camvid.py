# CamVid, 11 classes, 480 x 360: data/camvid/{images,annotations}/{train,val,test}, 255 = ignored
data_root = 'data/camvid'
crop_size = (256, 256)
batch_size = 8
metainfo = dict(
    classes=('sky', 'building', 'pole', 'road', 'pavement', 'tree', 'sign', 'fence', 'car', 'pedestrian',
             'bicyclist'),
    palette=[[128, 128, 128], [128, 0, 0], [192, 192, 128], [128, 64, 128], [60, 40, 222], [128, 128, 0],
             [192, 128, 128], [64, 64, 128], [64, 0, 128], [64, 64, 0], [0, 128, 192]])
num_classes = len(metainfo['classes'])

load = [
    dict(type='LoadImageFromFile', _scope_='mae_mm'),
    dict(type='LoadAnnotations'),
    dict(type='mae_mm.CheckLabels', num_classes=num_classes),
]
train_pipeline = [
    dict(type='mae_mm.SeedSample'),
    *load,
    dict(type='RandomResize', scale=(480, 360), ratio_range=(0.75, 1.5), keep_ratio=True),
    dict(type='RandomCrop', crop_size=crop_size, cat_max_ratio=0.75),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackSegInputs'),
]
test_pipeline = [*load, dict(type='PackSegInputs')]
img_ratios = [0.75, 1.0, 1.25, 1.5]
tta_pipeline = [
    dict(type='LoadImageFromFile', _scope_='mae_mm'),
    dict(
        type='TestTimeAug',
        transforms=[
            [dict(type='Resize', scale_factor=ratio, keep_ratio=True) for ratio in img_ratios],
            [dict(type='RandomFlip', prob=p, direction='horizontal') for p in (0., 1.)],
            [dict(type='LoadAnnotations')],
            [dict(type='mae_mm.CheckLabels', num_classes=num_classes)],
            [dict(type='PackSegInputs')],
        ])
]
dataset = dict(type='BaseSegDataset', metainfo=metainfo, data_root=data_root, img_suffix='.jpg',
               seg_map_suffix='.png', reduce_zero_label=False)
train_dataloader = dict(
    batch_size=batch_size,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type='mae_mm.ResumableSampler', shuffle=True),
    dataset=dict(
        **dataset,
        data_prefix=dict(img_path='images/train', seg_map_path='annotations/train'),
        pipeline=train_pipeline))
val_dataloader = dict(
    batch_size=1,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        **dataset, data_prefix=dict(img_path='images/val', seg_map_path='annotations/val'), pipeline=test_pipeline))
test_dataloader = val_dataloader  # for the test split: --cfg-options test_dataloader.dataset.data_prefix...
