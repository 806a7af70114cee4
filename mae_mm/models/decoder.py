"""The decoder of a masked autoencoder.

Letters in shapes: B batch, P prefix tokens (class tokens, registers), n visible patches, L all patches of an image,
C channels of the decoder, p side of a patch.
"""
import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from ..errors import InputError
from ..registry import MODELS
from .grid import OnGrid, initialise_linear
from .layers import ALL, EncoderLayer
from .position import Grid, sincos_position, with_prefix
from .vit import MAE


@MODELS.register_module()
class MAEDecoder(OnGrid):
    """Predicts the pixels of an image's patches from the encoded visible ones (arXiv:2111.06377, section 3).

    Grid, patch, channels of the image and the encoder's width come from the backbone, when :meth:`connect` is
    called; :class:`MaskedAutoencoder` does so.

    Args:
        with_cp: recompute activations in the backward pass instead of keeping them.
    """

    def __init__(self,
                 embed_dims: int = 512,
                 num_layers: int = 8,
                 num_heads: int = 16,
                 mlp_ratio: float = 4,
                 with_cp: bool = False,
                 init_cfg: dict | None = None):
        super().__init__(init_cfg=init_cfg)
        self.embed_dims, self.with_cp = embed_dims, with_cp
        self.mask_token = nn.Parameter(torch.zeros(1, 1, embed_dims))
        self.layers = nn.ModuleList([EncoderLayer(embed_dims, num_heads, mlp_ratio) for _ in range(num_layers)])
        self.ln1 = nn.LayerNorm(embed_dims, eps=1e-6)

    embed: nn.Linear  # these three are made by connect
    pred: nn.Linear
    learned_positions: bool

    def connect(self, backbone: MAE) -> None:
        """Make what depends on the encoder.

        Raises:
            ValueError: the decoder belongs to another encoder already.
        """
        if hasattr(self, 'embed'):
            raise InputError(f'this MAEDecoder is connected to an encoder of width {self.embed.in_features} and grid '
                             f'{self.grid} already; make another one')
        self.grid = backbone.grid
        self.embed = nn.Linear(backbone.embed_dims, self.embed_dims)
        self.num_cls_tokens, self.num_registers = backbone.num_cls_tokens, backbone.num_registers
        self.learned_positions = backbone.learned_positions
        self.pos_embed = nn.Parameter(sincos_position(self.embed_dims, self.grid, self.num_cls_tokens),
                                      requires_grad=self.learned_positions)
        self.pred = nn.Linear(self.embed_dims, backbone.patch_size**2 * backbone.in_channels)

    def forward(self, latent: Tensor, ids_shuffle: Tensor, grid: Grid, wanted: slice) -> Tensor:
        """Predict patches in the order of ``ids_shuffle``; attention does not mind the order.

        Args:
            latent: ``(B, P + n, C of the encoder)``: the prefix and the visible patches.
            ids_shuffle: ``(B, L)`` patch ids, the n visible ones first.
            grid: the image's.
            wanted: which of the P + L tokens to predict; the last layer computes no others.

        Returns:
            Tensor: ``(B, number of wanted tokens, p*p*channels)``.
        """
        visible = self.embed(latent)
        rows = with_prefix(ids_shuffle, self.num_prefix_tokens)  # B P+L
        hidden = self.mask_token.expand(len(latent), rows.shape[1] - visible.shape[1], -1)
        tokens = torch.cat([visible, hidden.to(visible.dtype)], dim=1)
        tokens = tokens + self.positions(grid)[0, rows]  # B P+L C
        for layer in self.layers:
            kept = wanted if layer is self.layers[-1] else ALL
            tokens = checkpoint(layer, tokens, wanted=kept, use_reentrant=False) if self.with_cp and self.training \
                else layer(tokens, wanted=kept)
        return self.pred(self.ln1(tokens))

    def init_weights(self) -> None:
        """The official initialisation (facebookresearch/mae, ``initialize_weights``), then ``init_cfg``."""
        initialise_linear(self)
        nn.init.normal_(self.mask_token, std=.02)
        if self.learned_positions:
            nn.init.trunc_normal_(self.pos_embed, std=.02)
        super().init_weights()
