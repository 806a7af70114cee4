"""The multi-scale and flip test of the model above: six scales, two directions, sliding windows of 512 x 512.

Published: 48.70 mIoU (mmsegmentation's MAE folder).

    tools/dist_test.sh configs/mae/upernet_mae-base_fp16_512x512_160k_ade20k_ms.py CHECKPOINT 8 --eval mIoU
"""
_base_ = './upernet_mae-base_fp16_8x2_512x512_160k_ade20k.py'

model = dict(_delete_=True, **_base_.tta_model, module=_base_.model)
test_dataloader = dict(dataset=dict(pipeline=_base_.tta_pipeline))
