"""A 3x3 convolution of maps that are upsampled first, computed at the maps' own resolution.

Upsampling acts on space and each tap of a kernel on channels, so that they commute:

    conv3x3(U z) = sum over taps k of shift_k(U(W_k z))

``W_k z`` is a product at the map's own size. ``shift_k U`` is a matrix along the height times one along the width;
what the shift brings in is the zero padding. Upsampling each side n times thus costs ``1 / n**2`` of the
convolution's products and two products with narrow matrices, and the upsampled map never exists.

Letters in shapes: B batch, C channels, O output channels, h w a map's grid, H W the grid that it is upsampled to.
"""
from collections.abc import Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

TAPS = 3
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
    weight, *weights = weight.split([m.shape[1] for m in (x, *maps)], dim=1)
    size = x.shape[2:]
    out = F.conv2d(x, weight, bias, padding=1)
    layout = CHANNELS_LAST if out.is_contiguous(memory_format=CHANNELS_LAST) else torch.contiguous_format
    in_place = not out.requires_grad  # not the first sum of a training step: in a view it would copy the gradient
    out = out.permute(0, 2, 3, 1).flatten(2)  # B H W*O
    for z, weight in zip(maps, weights, strict=True):
        if 2 * z.shape[2] * z.shape[3] > size[0] * size[1]:  # too little grows to be worth the detour
            upsampled = F.interpolate(z, size, mode='bilinear', align_corners=align_corners)
            out, in_place = out + F.conv2d(upsampled, weight, padding=1).permute(0, 2, 3, 1).flatten(2), True
            continue
        for heighten, rows in _taps(z, weight, size, align_corners, out):
            out, in_place = out.baddbmm_(heighten, rows) if in_place else torch.baddbmm(out, heighten, rows), True
    return out.unflatten(2, (size[1], -1)).permute(0, 3, 1, 2).contiguous(memory_format=layout)


def _taps(z: Tensor, weight: Tensor, size: Sequence[int], align_corners: bool,
          like: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """For each row of the kernel a ``(B, H, h)`` and a ``(B, h, W*O)`` matrix, whose products' sum is the result."""
    B, _, h, w = z.shape
    z = z.contiguous(memory_format=CHANNELS_LAST)
    heightens = _shifted_interpolation(h, size[0], align_corners, like)  # each H h
    widens = _shifted_interpolation(w, size[1], align_corners, like)  # each W w
    for heighten, kernel_row in zip(heightens, weight.permute(2, 3, 0, 1).contiguous(), strict=True):
        rows = None
        for widen, tap in zip(widens, kernel_row, strict=True):  # a tap at a time, as its product fits the cache
            product = F.conv2d(z, tap[:, :, None, None]).permute(0, 2, 3, 1).flatten(0, 1)  # B*h w O
            widen = widen.expand(B * h, -1, -1)
            rows = torch.bmm(widen, product) if rows is None else rows.baddbmm_(widen, product)  # B*h W O
        assert rows is not None
        yield heighten.expand(B, -1, -1), rows.view(B, h, -1)


def _shifted_interpolation(n_in: int, n_out: int, align_corners: bool, like: Tensor) -> list[Tensor]:
    """For each tap, the ``(n_out, n_in)`` matrix that interpolates along an axis and then moves the tap into place."""
    unit = torch.eye(n_in, dtype=torch.promote_types(like.dtype, torch.float32), device=like.device)
    matrix = F.interpolate(unit[None], n_out, mode='linear', align_corners=align_corners)[0].t()
    padded = F.pad(matrix, (0, 0, 1, 1)).to(like.dtype)  # n_out+2 n_in
    return [padded[tap:tap + n_out] for tap in range(TAPS)]
