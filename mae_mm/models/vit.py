"""The backbone: a plain Vision Transformer for images of any size.

Letters in shapes: B batch, h w grid of patches, T class tokens, P = T + registers, N = P + h*w tokens (class tokens
first, patches last), C channels, K attention heads.
"""
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from ..checkpoint.loading import initialise_backbone
from ..errors import InputError
from ..registry import MODELS
from . import position
from .access import LayerAccess, output_places, pooled_tokens
from .architectures import checked_prefix, rising_rates, sides_of, sizes_of
from .attention import Bias
from .bias_cache import BiasCache
from .freezing import parts_to_freeze
from .grid import OnGrid, initialise_linear, tell_random_weights
from .layers import ALL, EncoderLayer, PatchEmbed
from .layout import channels_last
from .patches import patches_beyond, take_patches, tiled
from .position import Grid
from .tracing import exporting


@MODELS.register_module()
class MAE(LayerAccess, OnGrid):
    """The encoder of a masked autoencoder (arXiv:2111.06377) as a backbone that returns feature maps.

    Sizes other than ``img_size`` need no preparation: the position embedding and the bias tables belong to the
    grid of ``img_size`` and are resized to the input's grid at run time, and from a checkpoint's grid at load
    time.

    Args:
        img_size: side, or ``(height, width)``, of the training images in pixels.
        patch_size: side of a patch in pixels.
        out_indices: the layer or layers whose outputs are returned, negative ones count from the end; what comes after
            the last of them is not computed.
        drop_path_rate: stochastic depth of the last layer; it rises linearly from 0 at the first.
        rel_pos_bias: learn a relative position bias per layer (the published segmentation model has it).
        init_values: initial layer scale; None for none.
        final_norm: normalise the last layer's output; with ``'avg_featmap'`` it is the mean that is normalised.
        norm_outputs: normalise the outputs of all ``out_indices`` as the last layer's.
        out_type: ``'featmap'``; with each map also its class token (the mean of several), ``'featmap+cls_token'``, or
            all tokens before the patches, ``'featmap+prefix'``; or of the last layer alone, for classifiers:
            ``'cls_token'``, or ``'avg_featmap'``, the mean of its patch tokens with a norm of its own (the official
            ``global_pool``).
        with_cp: recompute activations in the backward pass instead of keeping them.
        frozen_stages: 0 freezes the embeddings, n also the first n layers; -1 freezes nothing.
        trainable_layers: only the last n layers of the backbone are trained, 0 for none (linear probing) and 0.5 for
            the MLP of the last one and its norm (partial fine-tuning, section 4.3 of the paper); None for all of it.
        num_cls_tokens: class tokens, each with a position of its own (Pixio has eight).
        num_registers: tokens without a position between class tokens and patches (arXiv:2309.16588).
        learned_positions: positions start random, and pre-training learns them, as Pixio's; otherwise they start as
            sines and cosines, which pre-training keeps.
        arch: a name of ``architectures.py`` (``'tiny'`` to ``'huge'``) in place of the four sizes ``embed_dims``,
            ``num_layers``, ``num_heads`` and ``mlp_ratio``, whose defaults are those of ``'base'``.
        init_cfg: ``dict(type='Pretrained', checkpoint=...)`` takes a file, folder or URL of any known format as it
            is (``checkpoint/tables.py``); ``grid=(h, w)`` is needed for a rectangular grid that the file does not
            store, and ``bias_resize='geometric'`` resizes bias tables as BEiT does.

    Raises:
        ValueError: sizes that do not fit each other, an unknown ``arch``, a layer that is not there.
    """

    def __init__(self,
                 img_size: int | tuple[int, int] = 224,
                 patch_size: int = 16,
                 in_channels: int = 3,
                 embed_dims: int | None = None,
                 num_layers: int | None = None,
                 num_heads: int | None = None,
                 mlp_ratio: float | None = None,
                 out_indices: int | Sequence[int] = -1,
                 drop_path_rate: float = 0.,
                 attn_drop_rate: float = 0.,
                 rel_pos_bias: bool = False,
                 init_values: float | None = None,
                 final_norm: bool = True,
                 norm_outputs: bool = False,
                 out_type: str = 'featmap',
                 with_cp: bool = False,
                 frozen_stages: int = -1,
                 trainable_layers: float | None = None,
                 num_cls_tokens: int = 1,
                 num_registers: int = 0,
                 learned_positions: bool = False,
                 arch: str | None = None,
                 init_cfg: dict | None = None):
        super().__init__(init_cfg=init_cfg)
        sizes = sizes_of(arch, dict(
            embed_dims=embed_dims, num_layers=num_layers, num_heads=num_heads, mlp_ratio=mlp_ratio))
        embed_dims, num_layers, num_heads, mlp_ratio = sizes.values()
        self.patch_size, self.in_channels = patch_size, in_channels
        self.embed_dims, self.num_layers = embed_dims, num_layers
        self.rel_pos_bias, self.with_cp = rel_pos_bias, with_cp
        self.out_type, self.norm_outputs, self.learned_positions = out_type, norm_outputs, learned_positions
        self.num_cls_tokens, self.num_registers = checked_prefix(num_cls_tokens, num_registers)
        self.grid = self.grid_of(*sides_of(img_size))
        self.out_indices = output_places(out_indices, out_type, num_layers)

        self.patch_embed = PatchEmbed(in_channels, embed_dims, patch_size)
        self.cls_token = nn.Parameter(torch.zeros(1, num_cls_tokens, embed_dims))
        if num_registers:
            self.register_tokens = nn.Parameter(torch.zeros(1, num_registers, embed_dims))
        self.pos_embed = nn.Parameter(position.sincos_position(embed_dims, self.grid, num_cls_tokens))
        self.layers = nn.ModuleList([
            EncoderLayer(embed_dims, num_heads, mlp_ratio, attn_drop_rate, rate, init_values,
                         self.grid if rel_pos_bias else None) for rate in rising_rates(drop_path_rate, num_layers)
        ])
        pooled = out_type == 'avg_featmap'
        self.ln1 = nn.LayerNorm(embed_dims, eps=1e-6) if final_norm and not pooled else nn.Identity()
        if pooled:
            self.fc_norm = nn.LayerNorm(embed_dims, eps=1e-6) if final_norm else nn.Identity()

        self._bias_cache = BiasCache(num_layers, self.num_prefix_tokens)
        self._frozen = parts_to_freeze(self, frozen_stages, trainable_layers)
        for part in self._frozen:
            part.requires_grad_(False)

    def grid_of(self, height: int, width: int) -> Grid:
        """The grid of patches of an image; ``ValueError`` if the patches do not tile it."""
        return tiled(height, width, self.patch_size)

    def forward(self, images: Tensor, sizes: Sequence[tuple[int, int]] | None = None) -> tuple:
        """``(B, channels, H, W)`` images to a ``(B, C, h, w)`` map for each of ``out_indices``.

        As ``out_type`` says, or to pairs of it and the ``(B, C)`` class token or the ``(B, n, C)`` tokens before the
        patches, or to a tuple of one ``(B, C)``, the pooled tokens.

        Args:
            sizes: ``(height, width)`` of each image in pixels if a batch was padded at the right and the bottom; to
                patches of padding nothing attends. For maps only.
        """
        grid, padding = self.grid_of(*images.shape[2:]), None
        if sizes is not None:
            padding = F.pad(patches_beyond(sizes, grid, self.patch_size, images.device),
                            (self.num_prefix_tokens, 0))  # B N
        return self._maps(images, grid, self._biases(grid), padding)

    def _maps(self, images: Tensor, grid: Grid, biases: Sequence[Bias], padding: Tensor | None) -> tuple:
        """What :meth:`forward` returns; biases are given, so that it compiles as a whole."""
        tokens, maps = self._embed(images, grid), []
        pooled = pooled_tokens(self.out_type, self.num_cls_tokens, self.num_prefix_tokens)
        for i, bias in enumerate(biases[:max(self.out_indices) + 1]):
            if i == self.num_layers - 1 and pooled is not None:
                return (self._pool(self._layer(i, tokens, bias, wanted=pooled)), )
            tokens = self._layer(i, tokens, bias, padding=padding)
            if i in self.out_indices:
                normed = self.norm_outputs or i == self.num_layers - 1
                maps.append(self._output(self.ln1(tokens) if normed else tokens, grid))
        return tuple(maps)

    def _output(self, tokens: Tensor, grid: Grid) -> Tensor | tuple[Tensor, Tensor]:
        patches, prefix = self._map(tokens, grid), tokens[:, :self.num_prefix_tokens]
        if self.out_type == 'featmap':
            return patches
        return patches, prefix[:, :self.num_cls_tokens].mean(1) if self.out_type == 'featmap+cls_token' else prefix

    def _embed(self, images: Tensor, grid: Grid) -> Tensor:
        tell_random_weights(self)
        return self._with_prefix(self.patch_embed(images)) + self.positions(grid)  # B N C

    def _with_prefix(self, patches: Tensor) -> Tensor:
        """``(B, n, C)`` to ``(B, P + n, C)``."""
        prefix = [self.cls_token, self.register_tokens] if self.num_registers else [self.cls_token]
        return torch.cat([*(part.expand(patches.shape[0], -1, -1) for part in prefix), patches], dim=1)

    def _map(self, tokens: Tensor, grid: Grid) -> Tensor:
        """``(B, N, C)`` to ``(B, C, h, w)``, channels last where :func:`~.layout.channels_last` is faster."""
        patches = tokens[:, self.num_prefix_tokens:].flatten(0, 1).view(-1, *grid, self.embed_dims).permute(0, 3, 1, 2)
        return patches if channels_last(patches) else patches.contiguous()

    def _pool(self, tokens: Tensor) -> Tensor:
        pooled = self.out_type == 'cls_token'
        return self.ln1(tokens).mean(dim=1) if pooled else self.fc_norm(tokens.mean(dim=1))  # B C

    def encode(self, images: Tensor, ids_keep: Tensor) -> Tensor:
        """The prefix and some patches alone; the others are neither embedded nor attended to.

        Args:
            images: ``(B, channels, H, W)``.
            ids_keep: ``(B, n)`` ids of the patches, counted row by row.

        Returns:
            Tensor: ``(B, P + n, C)``, class tokens, registers, then patches in the order of ``ids_keep``.

        Raises:
            ValueError: the backbone has a relative position bias, which is for whole images.
        """
        *_, tokens = self.visible_layers(images, ids_keep)
        return self.ln1(tokens)

    def _embed_visible(self, images: Tensor, ids_keep: Tensor) -> Tensor:
        if self.rel_pos_bias:
            raise InputError('encode(images, ids_keep) needs rel_pos_bias=False: the bias is for whole images')
        tell_random_weights(self)
        patches = self.patch_embed.project(take_patches(images, ids_keep, self.patch_size))
        rows = position.with_prefix(ids_keep, self.num_prefix_tokens)
        return self._with_prefix(patches) + self.positions(self.grid_of(*images.shape[2:]))[0, rows]  # B P+n C

    def _layer(self, i: int, tokens: Tensor, bias: Bias = None, wanted: slice = ALL,
               padding: Tensor | None = None) -> Tensor:
        if self.with_cp and self.training:
            return checkpoint(self._run_layer, i, tokens, bias, wanted, padding, use_reentrant=False)
        return self._run_layer(i, tokens, bias, wanted, padding)

    def _run_layer(self, i: int, tokens: Tensor, bias: Bias, wanted: slice, padding: Tensor | None) -> Tensor:
        if bias is not None:  # whose rows are for all tokens
            return self.layers[i](tokens, bias, padding=padding)[:, wanted]
        return self.layers[i](tokens, wanted=wanted, padding=padding)

    def _biases(self, grid: Grid) -> list[Bias]:
        """The layers' biases for a grid: tables to learn, or spread and kept where nothing is learned."""
        if not self.rel_pos_bias:
            return [None] * self.num_layers
        tables: list = [layer.attn.relative_position_bias_table for layer in self.layers]  # type: ignore[union-attr]
        if self.training or torch.is_grad_enabled() or exporting():
            return [position.relative_position_bias(table, self.grid, grid, self.num_prefix_tokens)
                    for table in tables]
        return [self._bias_cache.bias(i, table, self.grid, grid) for i, table in enumerate(tables)]

    def train(self, mode: bool = True) -> 'MAE':
        # Hooks that swap weights through `.data` (EMA) do so just before a change of mode.
        self._bias_cache.clear()
        super().train(mode)
        for part in self._frozen:
            if isinstance(part, nn.Module):
                part.eval()
        return self

    def init_weights(self) -> None:
        """The official initialisation (facebookresearch/mae, ``initialize_weights``), then ``init_cfg``."""
        initialise_linear(self)
        projection = self.patch_embed.projection
        nn.init.xavier_uniform_(projection.weight.view(self.embed_dims, -1))  # as the linear layer that it is
        nn.init.normal_(self.cls_token, std=.02)
        if self.num_registers:
            nn.init.normal_(self.register_tokens, std=.02)
        if self.learned_positions:
            nn.init.trunc_normal_(self.pos_embed, std=.02)
        if isinstance(self.init_cfg, dict) and self.init_cfg.get('type') == 'Pretrained':
            initialise_backbone(self, self.init_cfg['checkpoint'])
            self._is_init, self.awaited = True, None
        else:
            super().init_weights()
