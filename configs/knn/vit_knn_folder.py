"""Nearest neighbours of frozen features of class folders: DIR/{train,val}/CLASS/*.jpg, or DIR/CLASS/*.jpg.

The features are the mean of the patch tokens after the encoder's own last norm. Nothing is trained.

    mae-mm knn knn/vit_knn_folder --cfg-options data_root=DIR checkpoint=CHECKPOINT [arch=small] [img_size=96]
"""
_base_ = '../linear_probe/vit_linear_folder.py'
model = dict(
    backbone=dict(out_type='featmap'),
    neck=dict(_delete_=True, type='GlobalAveragePooling'))
