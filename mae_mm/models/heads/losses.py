"""The losses of heads that classify each pixel."""
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import torch
from mmseg.models.losses import CrossEntropyLoss
from torch import Tensor, nn

from ..interpolation import enlarge

PART_BYTES = 2**28  # of logits at full size, in float32, at a time


def num_right(logits: Tensor, labels: Tensor, ignore_index: int) -> Tensor:
    """How many pixels' largest of ``(B, K, H, W)`` logits is that of their label, ``(B, H, W)``.

    mmseg's accuracy picks the pixels that count by booleans, whose number the processor waits for.
    """
    return ((logits.argmax(dim=1) == labels) & (labels != ignore_index)).sum()


class _SumOfParts(torch.autograd.Function):
    """The sum of a function's values over parts of a batch, each of a few images, and that of its counts.

    The gradient is computed with the values, part by part: what the function makes on its way, for logits at full size
    several times as large as they are, is there for one part only.
    """

    @staticmethod
    def forward(ctx: Any, maps: Tensor, labels: Tensor, function: Callable, images: int) -> tuple[Tensor, Tensor]:
        sums, counts, gradients = [], [], []
        wanted = ctx.needs_input_grad[0]
        for part, of_part in zip(maps.detach().split(images), labels.split(images), strict=True):
            with torch.set_grad_enabled(wanted):
                total, count = function(part.requires_grad_(wanted), of_part)
            if wanted:
                with torch.autocast(maps.device.type, enabled=False):
                    gradients += torch.autograd.grad(total, part)
            sums.append(total.detach())
            counts.append(count)
        if wanted:
            ctx.save_for_backward(torch.cat(gradients))
        count = torch.stack(counts).sum()
        ctx.mark_non_differentiable(count)
        return torch.stack(sums).sum(), count

    @staticmethod
    def backward(ctx: Any, scale: Tensor, *_: Any) -> tuple[Tensor, None, None, None]:  # type: ignore[override]
        return ctx.saved_tensors[0] * scale, None, None, None


def _is_sum(loss: Any) -> bool:
    """Whether a loss is a sum over pixels, divided by what the labels tell."""
    return type(loss) is CrossEntropyLoss and loss.reduction == 'mean' and not (loss.use_sigmoid or loss.use_mask)


def _divisor(loss: CrossEntropyLoss, labels: Tensor, counted: Tensor) -> Tensor | float:
    """What mmseg's mean divides by."""
    if loss.class_weight is not None:
        weights = torch.tensor(loss.class_weight, device=labels.device)
        return (weights[labels.where(counted, 0)] * counted).sum()
    return counted.sum() if loss.avg_non_ignore else labels.numel()


class Losses:
    """The losses of mmseg's heads, in fewer steps: no training step waits for the device to count right answers.

    A cross-entropy is computed a few images at a time.
    """
    align_corners: bool
    ignore_index: int
    loss_decode: nn.Module
    sampler: Any
    _stack_batch_gt: Any

    def loss_by_feat(self, seg_logits: Tensor, batch_data_samples: list) -> dict[str, Tensor]:
        """mmseg's, and its ``acc_seg``; where no pixel counts, that is 0."""
        labels = self._stack_batch_gt(batch_data_samples)  # B 1 H W
        counted = labels.squeeze(1) != self.ignore_index
        decoded: Any = self.loss_decode
        several = decoded if isinstance(decoded, nn.ModuleList) else [decoded]
        in_parts = self.sampler is None and len(several) == 1 and _is_sum(several[0])
        losses, right = (self._in_parts if in_parts else self._whole)(several, seg_logits, labels, counted)
        return dict(losses, acc_seg=100 * right / counted.sum().clamp(min=1))

    def _whole(self, several: Any, maps: Tensor, labels: Tensor, counted: Tensor) -> tuple[dict[str, Any], Tensor]:
        logits = enlarge(maps, labels.shape[2:], self.align_corners)
        weight = None if self.sampler is None else self.sampler.sample(logits, labels)
        labels = labels.squeeze(1)
        losses: dict[str, Any] = defaultdict(int)
        for loss in several:
            losses[loss.loss_name] += loss(logits, labels, weight=weight, ignore_index=self.ignore_index)
        return losses, num_right(logits, labels, self.ignore_index)

    def _in_parts(self, several: Any, maps: Tensor, labels: Tensor, counted: Tensor) -> tuple[dict[str, Any], Tensor]:
        loss, labels = several[0], labels.squeeze(1)

        def function(maps: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
            logits = enlarge(maps, labels.shape[1:], self.align_corners)
            total = loss(logits, labels, reduction_override='sum', ignore_index=self.ignore_index)
            return total, num_right(logits, labels, self.ignore_index)

        images = max(PART_BYTES // (4 * maps.shape[1] * labels[0].numel()), 1)
        total, right = _SumOfParts.apply(maps, labels, function, images)
        divisor = _divisor(loss, labels, counted) + torch.finfo(torch.float32).eps  # mmseg's, where nothing counts
        return {loss.loss_name: total / divisor}, right
