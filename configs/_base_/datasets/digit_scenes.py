# Digits on photographs, made by tools/dataset_converters/digit_scenes.py, in ADE20K's layout
data_root = 'data/digit_scenes'
metainfo = dict(
    classes=('background', *'0123456789'),
    palette=[[0, 0, 0], [230, 25, 75], [60, 180, 75], [255, 225, 25], [0, 130, 200], [245, 130, 48], [145, 30, 180],
             [70, 240, 240], [240, 50, 230], [210, 245, 60], [250, 190, 212]])
num_classes = len(metainfo['classes'])

load = [
    dict(type='LoadImageFromFile', _scope_='mae_mm'),
    dict(type='LoadAnnotations'),
    dict(type='mae_mm.CheckLabels', num_classes=num_classes),
]
train_pipeline = [dict(type='mae_mm.SeedSample'), *load, dict(type='PackSegInputs')]
test_pipeline = [*load, dict(type='PackSegInputs')]
dataset = dict(type='BaseSegDataset', metainfo=metainfo, data_root=data_root, img_suffix='.jpg',
               seg_map_suffix='.png', reduce_zero_label=False)
train_dataloader = dict(
    batch_size=16,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type='mae_mm.ResumableSampler', shuffle=True),
    dataset=dict(
        **dataset,
        data_prefix=dict(img_path='images/training', seg_map_path='annotations/training'),
        pipeline=train_pipeline))
val_dataloader = dict(
    batch_size=1,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        **dataset,
        data_prefix=dict(img_path='images/validation', seg_map_path='annotations/validation'),
        pipeline=test_pipeline))
test_dataloader = val_dataloader
