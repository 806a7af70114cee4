"""mmsegmentation's own MAE and UPerNet, to compare ours with."""
import torch
from mmengine.config import ConfigDict
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS
from torch import nn

TINY = dict(patch_size=16, embed_dims=48, num_layers=4, num_heads=3, mlp_ratio=4, out_indices=[0, 1, 2, 3],
            drop_path_rate=0.)


def randomise(model: nn.Module, seed: int = 0) -> None:
    """Give every parameter values at which none of them drops out of the result."""
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in model.state_dict().items():
        if parameter.is_floating_point() and 'running_var' not in name:
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * .1 + ('gamma' in name))


def peer_backbone(img_size, **sizes) -> nn.Module:
    init_default_scope('mmseg')
    return MODELS.build({'type': 'MAE', 'img_size': img_size, 'init_values': 1.0,
                         'norm_cfg': dict(type='LN', eps=1e-6), **TINY, **sizes})


def our_backbone(img_size, **sizes) -> nn.Module:
    init_default_scope('mmseg')
    return MODELS.build(dict(type='mae_mm.MAE', img_size=img_size, rel_pos_bias=True, init_values=1.0,
                             final_norm=False, **{**TINY, **sizes}))


def segmentor(backbone: dict, embed_dims: int = 48, crop=(64, 64), stride=(48, 48),
              type_='EncoderDecoder') -> nn.Module:
    init_default_scope('mmseg')
    norm_cfg = dict(type='BN')
    loss = dict(type='CrossEntropyLoss', use_sigmoid=False)
    common = dict(num_classes=5, norm_cfg=norm_cfg, align_corners=False, loss_decode=loss)
    return MODELS.build(dict(
        type=type_,
        data_preprocessor=dict(type='SegDataPreProcessor'),
        backbone=backbone,
        neck=dict(type='Feature2Pyramid', embed_dim=embed_dims, rescales=[4, 2, 1, 0.5], norm_cfg=norm_cfg),
        decode_head=dict(type='UPerHead', in_channels=[embed_dims] * 4, in_index=[0, 1, 2, 3],
                         pool_scales=(1, 2, 3, 6), channels=16, **common),
        train_cfg=dict(),
        test_cfg=ConfigDict(mode='slide', crop_size=crop, stride=stride)))
