"""The CamVid model tested on whole images of 480 x 360, without windows; with --tta, at four scales and flipped.

    CONFIG=configs/mae/upernet_mae-tiny_1x8_256x256_400_camvid_whole.py
    python tools/test.py $CONFIG CHECKPOINT --cfg-options data_root=DIR
"""
_base_ = './upernet_mae-tiny_1x8_256x256_400_camvid.py'
model = dict(
    data_preprocessor=dict(test_cfg=dict(_delete_=True, size_divisor=16)),
    test_cfg=dict(_delete_=True, mode='whole'))
