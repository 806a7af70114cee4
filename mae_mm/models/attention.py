"""Attention with a relative position bias, trained on a CPU without keeping an N x N matrix per layer.

PyTorch's fused CPU kernel gives no gradient of its mask, so that attention with a learned bias falls back to one that
keeps the weights of every layer for the backward pass: 600 MB for ViT-B at 512 x 512. Here the forward pass is the
fused kernel, and the backward pass computes the weights again, a head at a time, in a matrix that fits the cache.
Accelerators have a kernel that gives it, and takes the bias spread over all pairs in the precision of the tokens.

Letters in shapes: B batch, K attention heads, N tokens, D channels of a head, R rows of a bias table.
"""
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from .tracing import exporting

ALIGNED = 8  # numbers: rows of a mask that are no multiple of it are copied by attention's kernels


def mixed_dtype(tensor: Tensor) -> torch.dtype:
    """The dtype in which attention computes with a tensor: its own, or that of mixed precision."""
    device = tensor.device.type
    return torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else tensor.dtype


class BiasTable(NamedTuple):
    """A bias for all pairs of tokens in short: pair (i, j) of head k has ``table[pairs[i, j], k]``."""
    table: Tensor  # R K
    pairs: Tensor  # N N, rows of the table

    def spread(self, dtype: torch.dtype | None = None) -> Tensor:
        """The bias of all pairs of tokens, ``(1, K, N, N)``, in a dtype or in the table's.

        On an accelerator rows lie in memory as ``ALIGNED`` ones. The table's gradient is summed in its own dtype.
        """
        number = self.pairs.shape[0]  # of an export it is a symbol, which `len` would make a number
        pairs = self.pairs if self.table.device.type == 'cpu' else F.pad(self.pairs, (0, -number % ALIGNED))
        spread = _Spread.apply(self.table, pairs, dtype or self.table.dtype)
        return spread[..., :number]


class _Spread(torch.autograd.Function):

    @staticmethod
    def forward(ctx: Any, table: Tensor, pairs: Tensor, dtype: torch.dtype) -> Tensor:
        ctx.save_for_backward(pairs)
        ctx.table_shape, ctx.table_dtype = table.shape, table.dtype
        # One pass along the last axis: for 1,025 tokens 5 times as fast as `table[pairs]`, and 15 times backward.
        return table.t().to(dtype).contiguous().index_select(1, pairs.flatten()).view(1, -1, *pairs.shape)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        pairs, = ctx.saved_tensors
        grad_table = torch.zeros(ctx.table_shape[::-1], dtype=ctx.table_dtype, device=grad.device)  # K R
        grad_table.index_add_(1, pairs.flatten(), grad.flatten(2)[0].to(ctx.table_dtype))
        return grad_table.t(), None, None


Bias = Tensor | BiasTable | None  # of a layer: spread, (1, K, N, N); to be learned; none
SPREAD_BYTES = 2**29  # the most that a spread bias takes at a time: 512 MB
# Channels that are added to hide keys, eight as fused kernels like their sizes, and the keys' value in each: a logit
# so low that its softmax is 0 in every dtype.
EXTRA, LOW = 8, -1000.


def hide_keys(q: Tensor, k: Tensor, v: Tensor, padding: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Add channels to ``(B, K, N, D)`` tensors that keep keys from being attended to, for any kernel and bias.

    An N x N mask for each image would be the other way. The added channels of the result are zeros.

    Args:
        padding: ``(B, N)``, True for keys that are hidden.
    """
    channels = q.shape[-1]
    q = F.pad(q * ((channels + EXTRA) / channels)**.5, (0, EXTRA), value=1.)  # kernels divide by the root of all
    lows = torch.where(padding, LOW, 0.).to(k)[:, None, :, None].expand(-1, k.shape[1], -1, EXTRA)  # B K N 8
    return q, torch.cat([k, lows], dim=-1), F.pad(v, (0, EXTRA))


def biased_attention(q: Tensor, k: Tensor, v: Tensor, bias: BiasTable, drop_rate: float = 0.) -> Tensor:
    """``scaled_dot_product_attention`` of ``(B, K, N, D)`` tensors with a learned bias."""
    heads = q.shape[1] if exporting() else max(1, SPREAD_BYTES // (bias.pairs.numel() * q.element_size()))
    if heads < q.shape[1]:  # so many tokens that the bias of all heads is too large
        parts = zip(*(tensor.split(heads, dim=1) for tensor in (q, k, v, bias.table)), strict=True)
        return torch.cat([biased_attention(q_, k_, v_, BiasTable(table, bias.pairs), drop_rate)
                          for q_, k_, v_, table in parts], dim=1)
    if q.device.type == 'cpu' and q.dtype in (torch.float32, torch.float64) and not drop_rate and not exporting():
        return _BiasedAttention.apply(q, k, v, *bias)
    return F.scaled_dot_product_attention(q, k, v, attn_mask=bias.spread(q.dtype), dropout_p=drop_rate)


class _BiasedAttention(torch.autograd.Function):

    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor, table: Tensor, pairs: Tensor) -> Tensor:
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=BiasTable(table, pairs).spread())
        ctx.save_for_backward(q, k, v, table, pairs, mixed)
        return mixed

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        q, k, v, table, pairs, mixed = ctx.saved_tensors
        scale = q.shape[-1]**-.5
        grad_q, grad_k, grad_v = (torch.empty_like(tensor) for tensor in (q, k, v))
        grad_table = torch.zeros_like(table.t())  # K R
        shared = (grad * mixed).sum(-1, keepdim=True)  # B K N 1: what the softmax's gradient subtracts from each row
        for head in range(q.shape[1]):
            q_, k_, v_, grad_ = (tensor[:, head] for tensor in (q, k, v, grad))  # each B N D
            bias = table[:, head].index_select(0, pairs.flatten()).view(1, *pairs.shape)
            weights = torch.baddbmm(bias.expand(len(q), -1, -1), q_, k_.transpose(1, 2), alpha=scale).softmax(-1)
            grad_v[:, head] = weights.transpose(1, 2) @ grad_
            grad_logits = torch.baddbmm(shared[:, head].expand_as(weights), grad_, v_.transpose(1, 2), beta=-1)
            grad_logits *= weights  # B N N
            grad_q[:, head] = grad_logits @ k_ * scale
            grad_k[:, head] = grad_logits.transpose(1, 2) @ q_ * scale
            grad_table[head].index_add_(0, pairs.flatten(), grad_logits.sum(0).flatten())
        return grad_q, grad_k, grad_v, grad_table.t(), None
