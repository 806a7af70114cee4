"""mmsegmentation's UPerHead in about half the operations: no map is upsampled to be convolved."""
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from mmcv.cnn.bricks.conv_module import efficient_conv_bn_eval_forward
from mmseg.models.decode_heads import UPerHead as PeerUPerHead
from torch import Tensor, nn

from ...errors import InputError
from ...registry import MODELS
from ..layout import channels_last
from ..upsampled import ConvOfUpsampled
from .losses import Losses


def normalised_conv(norm: nn.Module, conv: nn.Conv2d, maps: Tensor) -> Tensor:
    """A convolution and a batch norm that keeps its statistics.

    On a processor by mmcv's, which normalises the weights, as they are smaller than the maps.
    """
    if maps.device.type == 'cpu':
        return efficient_conv_bn_eval_forward(norm, conv, maps)
    return norm(conv._conv_forward(maps, conv.weight, conv.bias))


@MODELS.register_module()
class UPerHead(Losses, PeerUPerHead):
    """Unified perceptual parsing (arXiv:1807.10221): mmsegmentation's head in arguments, weight names and results.

    Both of its bottlenecks read upsampled maps, which are convolved at their own size: three of the pyramid's four
    levels, and what was pooled from its top. The other convolutions read sums of a full map and an upsampled one;
    nothing can be saved there.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        for module in (self.bottleneck, self.fpn_bottleneck):
            if type(module.conv) is not nn.Conv2d:
                raise InputError(f'conv_cfg={self.conv_cfg}: mae_mm.UPerHead supports plain convolutions only; '
                                 "for others use mmsegmentation's UPerHead")
            module.conv = ConvOfUpsampled.of(module.conv, self.align_corners)
        for module in (*self.lateral_convs, *self.fpn_convs, self.bottleneck, self.fpn_bottleneck):
            if module.with_activation and isinstance(module.activate, nn.ReLU):
                module.activate.inplace = True
        for module in (*self.lateral_convs, *self.fpn_convs):
            module.turn_on_efficient_conv_bn_eval()
            if module.efficient_conv_bn_eval_forward is not None:
                module.efficient_conv_bn_eval_forward = normalised_conv

    def psp_forward(self, inputs: Sequence[Tensor]) -> Tensor:
        top = inputs[-1]
        return self.bottleneck([top, *(pooled(top) for pooled in self.psp_modules)])

    def _forward_feature(self, inputs: Sequence[Tensor]) -> Tensor:
        """What ``cls_seg`` classifies: ``(B, channels, H, W)``, as large as the first map."""
        inputs = self._transform_inputs(inputs)
        if channels_last(inputs[0]):  # our backbone's maps are so already
            inputs = [x.contiguous(memory_format=torch.channels_last) for x in inputs]
        laterals = [conv(x) for conv, x in zip(self.lateral_convs, inputs[:-1], strict=True)]
        laterals.append(self.psp_forward(inputs))
        for i in range(len(laterals) - 1, 0, -1):  # from the top down
            upsampled = F.interpolate(
                laterals[i], laterals[i - 1].shape[2:], mode='bilinear', align_corners=self.align_corners)
            laterals[i - 1] = upsampled.add_(laterals[i - 1])
        levels = [conv(x) for conv, x in zip(self.fpn_convs, laterals[:-1], strict=True)]
        return self.fpn_bottleneck([*levels, laterals[-1]])

    def cls_seg(self, feat: Tensor) -> Tensor:
        """The logits, not channels last: enlarging them and summing those of windows is slower then."""
        return super().cls_seg(feat).contiguous()
