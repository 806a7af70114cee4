# Any folder of images, flat or nested, without labels; one image in twenty is not trained on.
data_root = 'data/images'
img_size = 224  # a side, or (height, width)
batch_size = 64
held_out = 0.05
flip = 0.5  # probability of a flip from left to right
num_views = 1  # crops of an image for each time that it is decoded; they are in one batch, and an epoch counts each
on_broken = 'stop'  # at an image that cannot be read; 'replace': name it once, and train on another one in its place
max_broken = 0.01  # the share of the images that may be replaced

load = [dict(type='LoadImageFromFile', _scope_='mae_mm')]
pack = [dict(type='mae_mm.PackInputs')]
square = isinstance(img_size, int)
longer_side = img_size if square else max(img_size)  # what the short edge of an image is resized by: a crop then fits
train_pipeline = [
    dict(type='mae_mm.SeedSample'),
    dict(type='mae_mm.LoadCrop', size=img_size, area=(0.2, 1.0), flip=flip),
    *pack,
]
test_pipeline = [
    *load,
    dict(type='ResizeEdge', _scope_='mae_mm', scale=longer_side * 256 // 224, edge='short', backend='pillow',
         interpolation='bicubic'),
    dict(type='CenterCrop', crop_size=img_size if square else tuple(img_size[::-1])),
    *pack,
]
dataset = dict(type='mae_mm.ImageFolder', data_root=data_root, held_out=held_out)
train_dataloader = dict(
    batch_size=batch_size,
    num_workers=8,
    persistent_workers=True,
    collate_fn=dict(type='default_collate'),
    drop_last=True,
    sampler=dict(type='mae_mm.EpochSampler', shuffle=True, num_views=num_views),
    dataset=dict(**dataset, split='train', on_broken=on_broken, max_broken=max_broken, pipeline=train_pipeline))
val_dataloader = dict(
    batch_size=batch_size,
    num_workers=4,
    persistent_workers=True,
    collate_fn=dict(type='default_collate'),
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(**dataset, split='held_out', pipeline=test_pipeline))
test_dataloader = val_dataloader
