"""Patches at a higher resolution, for masks."""
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint


class Upscale(nn.Module):
    """Doubles the sides of a map: a transposed convolution, GELU, a 3x3 convolution of each channel, a layer norm.

    All of it with the channels last: the transposed convolution of stride 2 is a product of matrices then.
    """

    def __init__(self, channels: int):
        super().__init__()
        self.conv1 = nn.ConvTranspose2d(channels, channels, 2, stride=2)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False)
        self.norm = nn.LayerNorm(channels, eps=1e-6)

    def forward(self, maps: Tensor) -> Tensor:
        """``(B, h, w, C)`` to ``(B, 2h, 2w, C)``."""
        _, h, w, C = maps.shape
        bias = self.conv1.bias
        assert bias is not None
        weight = self.conv1.weight.permute(2, 3, 1, 0).reshape(4 * C, C)  # of a patch's four pixels
        pixels = F.linear(maps, weight, bias.repeat(4)).view(-1, h, w, 2, 2, C)
        pixels = pixels.transpose(2, 3).reshape(-1, 2 * h, 2 * w, C)
        if torch.is_grad_enabled():  # GELU's output, as large as all others here, is computed again
            mixed = checkpoint(self._mix, pixels, use_reentrant=False, preserve_rng_state=False)
        else:
            mixed = self._mix(pixels)
        return self.norm(mixed.permute(0, 2, 3, 1))

    def _mix(self, pixels: Tensor) -> Tensor:
        return self.conv2(F.gelu(pixels).permute(0, 3, 1, 2))
