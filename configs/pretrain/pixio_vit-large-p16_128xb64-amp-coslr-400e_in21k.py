"""Pixio's pre-training of ViT-L/16: that of ViT-H with half its stochastic depth.

The published Pixio-L is distilled from a model of 5 billion parameters; a recipe of its own is not published, and this
project has not run this one.
"""
_base_ = './pixio_vit-huge-p16_128xb64-amp-coslr-400e_in21k.py'
arch = 'large'
model = dict(backbone=dict(arch=arch, drop_path_rate=0.2))
