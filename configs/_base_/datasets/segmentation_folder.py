# Any folder of images and label maps: DIR/{images,labels}/{train,val}, or DIR/{images,labels}, of which one image in
# five is held out. The classes are those of DIR/classes.txt, or the values of the labels: docs/segmentation.md.
data_root = 'data/scenes'
crop_size = (224, 224)
batch_size = 8
held_out = 0.2
reduce_zero_label = False  # True: the label 0 is ignored, and 1 is the first class
ignore_index = 255  # of the label files; a colour in RGB masks

load = [dict(type='LoadImageFromFile', _scope_='mae_mm')]
load_labels = [dict(type='LoadAnnotations', _scope_='mae_mm'), dict(type='mae_mm.CheckLabels')]
img_ratios = [0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0]
train_pipeline = [
    dict(type='mae_mm.SeedSample'),
    *load,
    *load_labels,
    dict(type='RandomChoice',
         transforms=[[dict(type='Resize', scale_factor=ratio, keep_ratio=True)] for ratio in img_ratios]),
    dict(type='RandomCrop', crop_size=crop_size, cat_max_ratio=0.75),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PhotoMetricDistortion'),
    dict(type='PackSegInputs'),
]
test_pipeline = [*load, *load_labels, dict(type='PackSegInputs')]
tta_pipeline = [
    *load,
    dict(
        type='TestTimeAug',
        transforms=[
            [dict(type='Resize', scale_factor=ratio, keep_ratio=True) for ratio in (0.75, 1.0, 1.25, 1.5)],
            [dict(type='RandomFlip', prob=p, direction='horizontal') for p in (0., 1.)],
            [load_labels[0]],
            [load_labels[1]],
            [dict(type='PackSegInputs')],
        ])
]
dataset = dict(type='mae_mm.SegmentationFolder', data_root=data_root, held_out=held_out,
               reduce_zero_label=reduce_zero_label, ignore_index=ignore_index)
train_dataloader = dict(
    batch_size=batch_size,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='mae_mm.ResumableSampler', shuffle=True),
    dataset=dict(**dataset, split='train', pipeline=train_pipeline))
val_dataloader = dict(
    batch_size=1,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(**dataset, split='val', pipeline=test_pipeline))
test_dataloader = val_dataloader
