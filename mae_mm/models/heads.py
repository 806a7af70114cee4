"""mmsegmentation's ``UPerHead`` with the same weights, at about half the cost: no map is upsampled to be convolved."""
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from mmseg.models.decode_heads import UPerHead as PeerUPerHead
from torch import Tensor, nn

from ..errors import InputError
from ..registry import MODELS
from .upsampled import ConvOfUpsampled


@MODELS.register_module()
class UPerHead(PeerUPerHead):
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
            if module.with_norm:  # in tests the weights are normalised, not the maps, which are larger
                module.turn_on_efficient_conv_bn_eval()

    def psp_forward(self, inputs: Sequence[Tensor]) -> Tensor:
        top = inputs[-1]
        return self.bottleneck([top, *(pooled(top) for pooled in self.psp_modules)])

    def _forward_feature(self, inputs: Sequence[Tensor]) -> Tensor:
        """What ``cls_seg`` classifies: ``(B, channels, H, W)``, as large as the first map."""
        inputs = self._transform_inputs(inputs)
        if not torch.is_grad_enabled():  # our backbone's maps are so already
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
