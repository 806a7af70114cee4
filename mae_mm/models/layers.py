"""The blocks of a Vision Transformer.

Letters in shapes: B batch, N tokens, C channels, K attention heads.
"""
import contextlib
import functools
import platform

import torch
import torch.nn.functional as F
from mmcv.cnn.bricks import DropPath
from torch import Tensor, nn

from .attention import BiasTable, biased_attention, hide_keys
from .position import Grid, bias_table_rows

ALL = slice(None)
MANY = 1000  # tokens; fewer are no faster as pixels


class Linear(nn.Linear):
    """``nn.Linear``; on an AMD processor many tokens are taken for pixels that a 1x1 convolution reads.

    PyTorch leaves such a convolution to oneDNN and a product of float32 matrices to MKL, which uses AMD's processors
    less well; on Intel's the product takes 0.8 to 1.1 of the convolution's time.
    """

    def forward(self, tokens: Tensor) -> Tensor:
        if torch.compiler.is_compiling() or not _pixels_are_faster(tokens):
            return super().forward(tokens)
        pixels = tokens.reshape(1, 1, -1, self.in_features).permute(0, 3, 1, 2)  # 1 C 1 B*N, channels last
        mixed = F.conv2d(pixels, self.weight[:, :, None, None], self.bias)
        return mixed.permute(0, 2, 3, 1).reshape(*tokens.shape[:-1], self.out_features)


def _pixels_are_faster(tokens: Tensor) -> bool:
    return (tokens.device.type == 'cpu' and tokens.dtype == torch.float32 and torch.backends.mkldnn.is_available()
            and tokens.numel() >= MANY * tokens.shape[-1] and _is_amd())


@functools.cache
def _is_amd() -> bool:
    with contextlib.suppress(OSError), open('/proc/cpuinfo') as file:
        return 'AuthenticAMD' in file.read(1000)
    return 'AuthenticAMD' in platform.processor()


class PatchEmbed(nn.Module):
    """Cut an image into patches and project each to a token."""

    def __init__(self, in_channels: int, embed_dims: int, patch_size: int):
        super().__init__()
        self.projection = nn.Conv2d(in_channels, embed_dims, kernel_size=patch_size, stride=patch_size)

    def forward(self, images: Tensor) -> Tensor:
        """``(B, channels, H, W)`` images to ``(B, h*w, C)`` tokens, row by row."""
        return self.projection(images).flatten(2).transpose(1, 2)

    def project(self, patches: Tensor) -> Tensor:
        """The same for patches that are cut already: ``(B, n, p*p*channels)`` (``patches.py``) to ``(B, n, C)``."""
        weight = self.projection.weight.permute(0, 2, 3, 1).flatten(1)  # C channels p p -> C p*p*channels
        return F.linear(patches, weight, self.projection.bias)


class Attention(nn.Module):
    """Multi-head self-attention; with a ``grid`` it owns a relative position bias table for that grid.

    The table starts at zero: an encoder that was pre-trained without it is the same function with it.
    """

    def __init__(self, embed_dims: int, num_heads: int, drop_rate: float = 0., grid: Grid | None = None):
        super().__init__()
        if embed_dims % num_heads:
            raise ValueError(f'a width of {embed_dims} cannot be divided among {num_heads} heads')
        self.num_heads = num_heads
        self.drop_rate = drop_rate
        self.qkv = Linear(embed_dims, 3 * embed_dims)
        self.proj = Linear(embed_dims, embed_dims)
        if grid is not None:
            self.relative_position_bias_table = nn.Parameter(torch.zeros(bias_table_rows(grid), num_heads))

    def forward(self, tokens: Tensor, bias: Tensor | BiasTable | None = None, wanted: slice = ALL,
                padding: Tensor | None = None) -> Tensor:
        """``(B, N, C)`` to the same shape, or to the tokens that are ``wanted`` alone (without a bias).

        ``bias``: a table to learn, or ``(1, K, N, N)``, added to the logits. ``padding``: ``(B, N)``, True for tokens
        that none attends to.
        """
        B, N, C = tokens.shape
        q, k, v = self.qkv(tokens).reshape(B, N, 3, self.num_heads, -1).permute(2, 0, 3, 1, 4)  # each B K N C/K
        q = q[:, :, wanted]
        if padding is not None:
            q, k, v = hide_keys(q, k, v, padding)
        drop_rate = self.drop_rate if self.training else 0.
        if isinstance(bias, BiasTable):
            mixed = biased_attention(q, k, v, bias, drop_rate)
        else:
            mask = None if bias is None else bias.to(q.dtype)
            mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, dropout_p=drop_rate)
        return self.proj(mixed[..., :C // self.num_heads].transpose(1, 2).flatten(2))


class FFN(nn.Module):
    """Two linear layers with a GELU between, under the published names ``layers.0.0`` and ``layers.1``."""

    def __init__(self, embed_dims: int, hidden_dims: int):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Sequential(Linear(embed_dims, hidden_dims), nn.GELU()), Linear(hidden_dims, embed_dims))

    def forward(self, tokens: Tensor) -> Tensor:
        return self.layers(tokens)


class EncoderLayer(nn.Module):
    """A pre-norm transformer layer with optional layer scale (``init_values``) and stochastic depth."""

    def __init__(self,
                 embed_dims: int,
                 num_heads: int,
                 mlp_ratio: float = 4,
                 attn_drop_rate: float = 0.,
                 drop_path_rate: float = 0.,
                 init_values: float | None = None,
                 grid: Grid | None = None):
        super().__init__()
        self.ln1 = nn.LayerNorm(embed_dims, eps=1e-6)
        self.attn = Attention(embed_dims, num_heads, attn_drop_rate, grid)
        self.ln2 = nn.LayerNorm(embed_dims, eps=1e-6)
        self.ffn = FFN(embed_dims, int(embed_dims * mlp_ratio))
        self.drop_path = DropPath(drop_path_rate)
        self.gamma_1 = None if init_values is None else nn.Parameter(torch.full((embed_dims,), float(init_values)))
        self.gamma_2 = None if init_values is None else nn.Parameter(torch.full((embed_dims,), float(init_values)))

    def forward(self, tokens: Tensor, bias: Tensor | BiasTable | None = None, wanted: slice = ALL,
                padding: Tensor | None = None) -> Tensor:
        """``(B, N, C)`` to the same shape, or to the ``wanted`` tokens; the rest: see :class:`Attention`."""
        tokens = self._add(tokens[:, wanted], self.attn(self.ln1(tokens), bias, wanted, padding), self.gamma_1)
        return self._add(tokens, self.ffn(self.ln2(tokens)), self.gamma_2)

    def _add(self, tokens: Tensor, branch: Tensor, gamma: Tensor | None) -> Tensor:
        branch = self.drop_path(branch)
        return tokens + branch if gamma is None else torch.addcmul(tokens, gamma, branch)
