"""A 3x3 convolution of maps that are upsampled first, computed at the maps' own resolution.

Upsampling acts on space and each tap of a kernel on channels, so that they commute:

    conv3x3(U z) = sum over taps k of shift_k(U(W_k z))

``W_k z`` is a product at the map's own size. ``shift_k U`` is a matrix along the height times one along the width;
what the shift brings in is the zero padding. Upsampling each side n times thus costs ``1 / n**2`` of the
convolution's products and two products with narrow matrices, and the upsampled map never exists.

Letters in shapes: B batch, C channels, O output channels, h w a map's grid, H W the grid that it is upsampled to.
"""
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .interpolation import kept, shifted_interpolation
from .tracing import likely

TAPS = 3
FEW = 1024  # pixels; where an accelerator has fewer, launching the products takes longer than they save
CHANNELS_LAST = torch.channels_last


class ConvOfUpsampled(nn.Conv2d):
    """A 3x3 convolution of maps as large as the first, to which the others would be upsampled and concatenated.

    It fits where mmcv's ``ConvModule`` has its convolution: norm and activation stay the module's.
    """
    align_corners: bool

    @classmethod
    def of(cls, conv: nn.Conv2d, align_corners: bool) -> 'ConvOfUpsampled':
        """The same parameters as those of ``conv``, which concatenated maps went through."""
        assert conv.kernel_size == (TAPS, TAPS) and conv.padding == conv.stride == conv.dilation == (1, 1)
        assert conv.groups == 1 and conv.padding_mode == 'zeros'
        new = cls(conv.in_channels, conv.out_channels, TAPS, padding=1, device='meta')
        new.weight, new.bias, new.align_corners = conv.weight, conv.bias, align_corners
        return new

    def forward(self, maps: Sequence[Tensor]) -> Tensor:  # type: ignore[override]
        return conv_of_upsampled(maps[0], maps[1:], self.weight, self.bias, self.align_corners)


def conv_of_upsampled(x: Tensor, maps: Sequence[Tensor], weight: Tensor, bias: Tensor | None,
                      align_corners: bool) -> Tensor:
    """``conv2d(cat([x, *upsampled maps], 1), weight, bias, padding=1)``, the maps upsampled to ``x``'s size, bilinear.

    Args:
        x: ``(B, C, H, W)``.
        maps: ``(B, C, h, w)`` each; widths and sizes may differ.
        weight: ``(O, C of x and of all maps, 3, 3)``.

    Returns:
        Tensor: ``(B, O, H, W)``, channels last if ``x`` is.
    """
    size = x.shape[2:]
    weights = weight.split([m.shape[1] for m in (x, *maps)], dim=1)
    small = [worth_the_detour(z, size) for z in maps]
    plain = [x, *(F.interpolate(z, size, mode='bilinear', align_corners=align_corners)
                  for z, is_small in zip(maps, small, strict=True) if not is_small)]
    if len(plain) > 1:
        kept = [part for part, is_small in zip(weights, [False, *small], strict=True) if not is_small]
        out = F.conv2d(torch.cat(plain, dim=1), weight if len(kept) == len(weights) else torch.cat(kept, dim=1), bias,
                       padding=1)
    else:
        out = F.conv2d(x, weights[0], bias, padding=1)
    if not any(small):
        return out
    detours = [(z, part) for z, part, is_small in zip(maps, weights[1:], small, strict=True) if is_small]
    add = _add_at_once if x.device.type != 'cpu' else _add_by_taps
    layout = CHANNELS_LAST if out.is_contiguous(memory_format=CHANNELS_LAST) else torch.contiguous_format
    rows = add(out.permute(0, 2, 3, 1).flatten(2), detours, size, align_corners)  # B H W*O
    return rows.unflatten(2, (size[1], -1)).permute(0, 3, 1, 2).contiguous(memory_format=layout)


def worth_the_detour(z: Tensor, size: Sequence[int]) -> bool:
    """Whether convolving a map at its own size saves more than the detour costs."""
    if z.device.type != 'cpu' and size[0] * size[1] < FEW:
        return False
    return likely(2 * z.shape[2] * z.shape[3] <= size[0] * size[1])


def _add_by_taps(out: Tensor, detours: Sequence[tuple[Tensor, Tensor]], size: Sequence[int],
                 align_corners: bool) -> Tensor:
    """Add to ``(B, H, W*O)`` rows what each map gives through its ``(O, C, 3, 3)`` part of the weight.

    A tap at a time, as its product fits a processor's cache.
    """
    in_place = not out.requires_grad  # not the first sum of a training step: in a view it would copy the gradient
    for z, weight in detours:
        B, _, h, w = z.shape
        z = z.contiguous(memory_format=CHANNELS_LAST)
        heightens, widens = (kept(shifted_interpolation, n, side, align_corners, out.dtype, out.device)
                             for n, side in zip((h, w), size, strict=True))  # 3 H h and 3 W w
        for heighten, kernel_row in zip(heightens, weight.permute(2, 3, 0, 1).contiguous(), strict=True):
            rows = None
            for widen, tap in zip(widens, kernel_row, strict=True):
                product = F.conv2d(z, tap[:, :, None, None]).permute(0, 2, 3, 1).flatten(0, 1)  # B*h w O
                widen = widen.expand(B * h, -1, -1)
                rows = torch.bmm(widen, product) if rows is None else rows.baddbmm_(widen, product)  # B*h W O
            assert rows is not None
            args = heighten.expand(B, -1, -1), rows.view(B, h, -1)
            out, in_place = out.baddbmm_(*args) if in_place else torch.baddbmm(out, *args), True
    return out


def _add_at_once(out: Tensor, detours: Sequence[tuple[Tensor, Tensor]], size: Sequence[int],
                 align_corners: bool) -> Tensor:
    """:func:`_add_by_taps` in three large products for each map: all taps, all columns, all rows.

    A map at a time, as what the second makes has three times as many rows as the map, and is copied for the third.
    """
    in_place = not out.requires_grad
    for z, weight in detours:
        B, C, h, w = z.shape
        heighten, widen = (kept(shifted_interpolation, n, side, align_corners, out.dtype, out.device)
                           for n, side in zip((h, w), size, strict=True))
        taps = weight.permute(1, 3, 2, 0).flatten(1)  # C 3*3*O, the taps of a column slowest
        rows = (z.permute(0, 2, 3, 1).reshape(-1, C) @ taps).view(B * h, w * TAPS, -1).to(out.dtype)  # B*h 3w 3*O
        widen = widen.permute(1, 2, 0).flatten(1).expand(B * h, -1, -1)  # W 3w, the taps of a column side by side
        rows = torch.bmm(widen, rows).view(B, h, size[1], TAPS, -1)  # B h W 3 O
        rows = rows.transpose(2, 3).flatten(1, 2).flatten(2)  # B h*3 W*O
        args = heighten.permute(1, 2, 0).flatten(1).expand(B, -1, -1), rows  # H h*3
        out, in_place = out.baddbmm_(*args) if in_place else torch.baddbmm(out, *args), True
    return out
