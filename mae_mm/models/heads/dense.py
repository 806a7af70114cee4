"""Light heads that classify each pixel: a linear one, and mmsegmentation's FCN, DPT and Segmenter."""
from collections.abc import Sequence
from typing import Any

import torch
from mmcv.cnn import build_norm_layer
from mmseg.models.decode_heads import DPTHead as PeerDPTHead
from mmseg.models.decode_heads import FCNHead as PeerFCNHead
from mmseg.models.decode_heads import SegmenterMaskTransformerHead as PeerSegmenterHead
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from torch import Tensor

from ...registry import MODELS
from .losses import Losses


@MODELS.register_module()
class FCNHead(Losses, PeerFCNHead):
    """mmsegmentation's."""


@MODELS.register_module()
class DPTHead(Losses, PeerDPTHead):
    """mmsegmentation's (arXiv:2103.13413); the backbone hands it maps with ``out_type='featmap+cls_token'``."""


@MODELS.register_module()
class SegmenterMaskTransformerHead(Losses, PeerSegmenterHead):
    """mmsegmentation's (arXiv:2105.05633)."""


@MODELS.register_module()
class LinearHead(Losses, BaseDecodeHead):
    """Batch norm and a 1x1 convolution of the maps, the protocol for frozen features (DINOv2, arXiv:2304.07193).

    mmsegmentation's ``FCNHead`` has a convolution of its own before each norm, or no norm. All maps that the backbone
    hands out are concatenated; of pairs of a map and a class token (``out_type='featmap+cls_token'``) the token also,
    at each place.

    Args:
        in_channels: of all of these together.
    """

    def __init__(self, in_channels: int, num_classes: int, norm_cfg: dict | None = None, dropout_ratio: float = 0.,
                 **kwargs: Any):
        super().__init__(in_channels, in_channels, num_classes=num_classes, dropout_ratio=dropout_ratio,
                         norm_cfg=norm_cfg or dict(type='SyncBN'), **kwargs)
        self.norm = build_norm_layer(self.norm_cfg, in_channels)[1]

    def forward(self, inputs: Sequence[Any]) -> Tensor:
        """Maps, ``(B, C, h, w)``, or pairs of one and a ``(B, C)`` token, to ``(B, classes, h, w)`` logits."""
        parts = []
        for output in inputs:
            maps, *tokens = (output, ) if isinstance(output, Tensor) else output
            parts += [maps, *(token[:, :, None, None].expand_as(maps) for token in tokens)]
        return self.cls_seg(self.norm(torch.cat(parts, dim=1) if len(parts) > 1 else parts[0]))
