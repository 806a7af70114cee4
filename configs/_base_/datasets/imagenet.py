# ImageNet-1K: data/imagenet/{train,val}/n01440764/*.JPEG; what else there is to download: docs/datasets.md
data_root = 'data/imagenet'
img_size = 224  # a side, or (height, width)
batch_size = 128
on_broken = 'stop'  # at an image that cannot be read; 'replace': name it once, and train on another one in its place
max_broken = 0.01  # the share of the images that may be replaced

load = [dict(type='LoadImageFromFile', _scope_='mae_mm')]
augment = [  # as timm's rand-m9-mstd0.5-inc1 and random erasing; values in BGR
    dict(
        type='RandAugment', policies='timm_increasing', num_policies=2, total_level=10, magnitude_level=9,
        magnitude_std=0.5, hparams=dict(pad_val=[104, 116, 124], interpolation='bicubic')),
    dict(
        type='RandomErasing', erase_prob=0.25, mode='rand', min_area_ratio=0.02, max_area_ratio=1 / 3,
        fill_color=[103.53, 116.28, 123.675], fill_std=[57.375, 57.12, 58.395]),
]
pack = [dict(type='mae_mm.PackInputs')]
square = isinstance(img_size, int)
longer_side = img_size if square else max(img_size)  # what the short edge of an image is resized by: a crop then fits
train_pipeline = [
    dict(type='mae_mm.SeedSample'),
    dict(type='mae_mm.LoadCrop', size=img_size, area=(0.08, 1.0)),
    *augment,
    *pack,
]
test_pipeline = [
    *load,
    dict(type='ResizeEdge', _scope_='mae_mm', scale=longer_side * 256 // 224, edge='short', backend='pillow',
         interpolation='bicubic'),
    dict(type='CenterCrop', crop_size=img_size if square else tuple(img_size[::-1])),
    *pack,
]
train_dataloader = dict(
    batch_size=batch_size,
    num_workers=8,
    persistent_workers=True,
    collate_fn=dict(type='default_collate'),
    drop_last=True,
    sampler=dict(type='mae_mm.EpochSampler', shuffle=True),
    dataset=dict(type='mae_mm.ImageNetFolder', data_root=data_root, data_prefix='train', on_broken=on_broken,
                 max_broken=max_broken, pipeline=train_pipeline))
val_dataloader = dict(
    batch_size=batch_size,
    num_workers=8,
    persistent_workers=True,
    collate_fn=dict(type='default_collate'),
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(type='mae_mm.ImageNetFolder', data_root=data_root, data_prefix='val', pipeline=test_pipeline))
test_dataloader = val_dataloader
