"""The multi-scale and flip test of UPerNet with MAE ViT-L: six scales, two directions, sliding windows.

    tools/dist_test.sh configs/mae/upernet_mae-large_fp16_512x512_160k_ade20k_ms.py CHECKPOINT 8 --eval mIoU
"""
_base_ = './upernet_mae-large_fp16_8x2_512x512_160k_ade20k.py'

model = dict(_delete_=True, **_base_.tta_model, module=_base_.model)
test_dataloader = dict(dataset=dict(pipeline=_base_.tta_pipeline))
