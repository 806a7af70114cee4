"""The CamVid model trained on whole images of random sizes, without crops.

A batch is padded to multiples of 16; neither the loss nor attention uses the padding.

    python tools/train.py configs/mae/upernet_mae-tiny_1x8_aspect_400_camvid.py --cfg-options data_root=DIR
"""
_base_ = './upernet_mae-tiny_1x8_256x256_400_camvid_whole.py'
model = dict(data_preprocessor=dict(size=None, size_divisor=16))
train_pipeline = [
    dict(type='mae_mm.SeedSample'),
    *_base_.load,
    dict(type='RandomResize', scale=(320, 240), ratio_range=(0.75, 1.25), keep_ratio=True),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackSegInputs'),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
