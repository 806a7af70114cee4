"""The segmentor: mmseg's, whose windows go through the model in batches and whose padding is not looked at.

Letters in shapes: B images, H W their sides in pixels, K classes.
"""
from collections.abc import Sequence
from typing import Any

import torch
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.models.segmentors import EncoderDecoder as _EncoderDecoder
from mmseg.models.utils import resize
from torch import Tensor

from ..errors import InputError
from ..registry import MODELS
from .grid import refuse_other_names

PREDICTION = ('predict', 'predict_by_feat')  # of mmseg's heads
CLASSES_AT_ONCE = 16  # of one window are as large as the image at a time


@MODELS.register_module()
class EncoderDecoder(_EncoderDecoder):
    """mmseg's ``EncoderDecoder`` around :class:`MAE`, with the same results.

    ``test_cfg`` may also say ``window_batch``, the windows that go through the model at once (4), and
    ``logits_dtype``, in which the sums of a sliding test are kept (``'float32'``, or ``'float16'`` for half the
    memory). In training, images that were padded to make a batch are padding neither to the loss (mmseg's
    ``seg_pad_val``) nor to attention.

    Raises:
        ValueError: windows that leave gaps, or that a patch does not fit into.
    """

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        if hasattr(self.decode_head, 'connect'):
            self.decode_head.connect(self.backbone)
        self.register_load_state_dict_pre_hook(refuse_other_names)
        if self.test_cfg and self.test_cfg.get('mode') == 'slide':
            window, stride = tuple(self.test_cfg.crop_size), tuple(self.test_cfg.stride)
            patch = getattr(self.backbone, 'patch_size', 1)
            if min(stride) < 1 or any(step > side for step, side in zip(stride, window, strict=True)):
                raise InputError(f'test_cfg: a stride of {stride} leaves gaps between windows of {window}')
            if min(window) < patch or any(side % patch for side in window):
                raise InputError(f'test_cfg: windows of {window} are not multiples of the patch {patch}')

    def extract_feat(self, inputs: Tensor, sizes: Sequence[tuple[int, int]] | None = None) -> Any:
        """``sizes``: ``(height, width)`` of each image; what is beyond is padding. None: there is none."""
        if sizes is None or all(tuple(size) == tuple(inputs.shape[2:]) for size in sizes):
            return super().extract_feat(inputs)
        maps = self.backbone(inputs, sizes)
        return self.neck(maps) if self.with_neck else maps

    def loss(self, inputs: Tensor, data_samples: list) -> dict[str, Tensor]:
        """The losses of both heads."""
        maps = self.extract_feat(inputs, [sample.img_shape for sample in data_samples])
        losses = self._decode_head_forward_train(maps, data_samples)
        if self.with_auxiliary_head:
            losses.update(self._auxiliary_head_forward_train(maps, data_samples))
        return losses

    def slide_inference(self, inputs: Tensor, batch_img_metas: list[dict]) -> Tensor:
        """``(B, K, H, W)``: for each pixel the mean of the logits of the windows that it is in."""
        dtype = getattr(torch, self.test_cfg.get('logits_dtype', 'float32'))
        batch, _, *sides = inputs.shape
        height, width = (min(side, window) for side, window in zip(sides, self.test_cfg.crop_size, strict=True))
        tops, lefts = (starts(side, window, step) for side, window, step in
                       zip(sides, (height, width), self.test_cfg.stride, strict=True))
        places = [(i, top, left) for i in range(batch) for top in tops for left in lefts]
        sums = inputs.new_zeros((batch, self.out_channels, *sides), dtype=dtype)
        step = self.test_cfg.get('window_batch', 4)
        for first in range(0, len(places), step):
            part = places[first:first + step]
            windows = torch.stack([inputs[i, :, y:y + height, x:x + width] for i, y, x in part])
            coarse = self._window_logits(windows, [batch_img_metas[i] for i, _, _ in part])
            for (i, y, x), logits in zip(part, coarse.split(1), strict=True):
                place = sums[i, :, y:y + height, x:x + width]
                for sums_, logits_ in zip(
                        place.split(CLASSES_AT_ONCE), logits.split(CLASSES_AT_ONCE, dim=1), strict=True):
                    sums_ += self._enlarge(logits_, (height, width))[0]
        counts = torch.outer(*(coverage(side, window, positions) for side, window, positions in
                               zip(sides, (height, width), (tops, lefts), strict=True)))
        return sums.div_(counts.to(sums))

    def _window_logits(self, windows: Tensor, metas: list[dict]) -> Tensor:
        """``(windows, K, h, w)``: small as the head computes them, or as large as the windows if it predicts itself.

        A head that returns more than logits (mmseg's ``EncHead``, ``DAHead``) has a ``predict`` of its own.
        """
        maps, head = self.extract_feat(windows), self.decode_head
        if all(getattr(type(head), name, None) is getattr(BaseDecodeHead, name) for name in PREDICTION):
            return head(maps)
        size = windows.shape[2:]
        return head.predict(maps, [{**meta, 'img_shape': size, 'pad_shape': tuple(size)} for meta in metas],
                            self.test_cfg)

    def _enlarge(self, logits: Tensor, size: tuple[int, int]) -> Tensor:
        if logits.shape[2:] == size:
            return logits
        return resize(logits, size=size, mode='bilinear', align_corners=self.align_corners)

    def postprocess_result(self, seg_logits: Tensor, data_samples: list | None = None) -> list:
        """mmseg's, in float32."""
        return super().postprocess_result(seg_logits.float(), data_samples)


def starts(side: int, window: int, stride: int) -> list[int]:
    """Where windows start along a side: every ``stride`` pixels, the last one at the end."""
    count = max(side - window + stride - 1, 0) // stride + 1
    return [min(i * stride, side - window) for i in range(count)]


def coverage(side: int, window: int, positions: Sequence[int]) -> Tensor:
    """``(side, )``: in how many windows each pixel of a side is."""
    counts = torch.zeros(side)
    for start in positions:
        counts[start:start + window] += 1
    return counts
