# ImageNet-C: 15 corruptions of the validation images in 5 severities: data/imagenet-c/CORRUPTION/SEVERITY/n*/*.JPEG.
# What to download and where it goes: docs/datasets.md. tools/test.py CONFIG CHECKPOINT --on imagenet-c
pipeline = [  # the images are cut to 224 x 224 already
    dict(type='LoadImageFromFile', _scope_='mae_mm'),
    dict(type='CenterCrop', crop_size=224),
    dict(type='PackInputs'),
]
test_dataloader = dict(dataset=dict(
    type='mae_mm.ImageNetFolder', data_root='data/imagenet-c', data_prefix='', pipeline=pipeline))
test_evaluator = dict(_delete_=True, type='mae_mm.CorruptionError')
