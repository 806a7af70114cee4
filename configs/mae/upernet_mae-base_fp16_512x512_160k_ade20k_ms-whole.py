"""The multi-scale and flip test of the model above on whole images: six scales, two directions, no windows.

The long side is at most four times the short one, which is 0.5 to 1.75 times 512; sides are padded to multiples of 16
and cut back. Not published; not run here.

    tools/dist_test.sh configs/mae/upernet_mae-base_fp16_512x512_160k_ade20k_ms-whole.py CHECKPOINT 8 --eval mIoU
"""
_base_ = './upernet_mae-base_fp16_8x2_512x512_160k_ade20k.py'

tta_pipeline = [
    *_base_.load,
    dict(
        type='TestTimeAug',
        transforms=[
            [dict(type='Resize', scale=(int(2048 * r), int(512 * r)), keep_ratio=True) for r in _base_.img_ratios],
            [dict(type='RandomFlip', prob=p, direction='horizontal') for p in (0., 1.)],
            [dict(type='LoadAnnotations')],
            [dict(type='mae_mm.CheckLabels', num_classes=_base_.num_classes)],
            [dict(type='PackSegInputs')],
        ])
]
module = _base_.model
module.test_cfg = dict(mode='whole')
module.data_preprocessor.test_cfg = dict(size_divisor=16)
model = dict(_delete_=True, **_base_.tta_model, module=module)
test_dataloader = dict(dataset=dict(pipeline=tta_pipeline))
