"""Masks by queries, in the encoder itself or behind it, without compiled operators.

Letters in shapes: B batch, Q queries, K classes, C channels, h w grid of patches, H W sides of the masks, P tokens
before the patches, N = Q + P + h*w tokens.
"""
import math
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from ...errors import InputError, listed
from ...registry import MODELS
from ..grid import initialise_linear
from ..layers import EncoderLayer, Linear
from ..patches import patches_beyond
from ..position import Grid
from ..vit import MAE
from .matching import objects_of, query_losses
from .upscale import Upscale

FLOOR = 1e-6  # of a class's score, whose logarithm is a logit
MODE = ("MaskHead without a decoder sends its queries through the encoder's last layers, and needs model.backbone to "
        "have one negative out_indices (-5 leaves four layers), out_type='featmap+prefix', final_norm=True and "
        'rel_pos_bias=False; ')


@MODELS.register_module()
class MaskHead(BaseDecodeHead):
    """Classifies masks and not pixels: each query gives a mask, by products with the pixels, and a class or none.

    Without a ``decoder`` the queries are tokens among others in the layers of the encoder that come after its last
    ``out_indices`` (EoMT, arXiv:2503.19108); the encoder learns with them. With one they and the maps of all
    ``out_indices`` go through plain layers of the head's own, behind an encoder that may be frozen. Before each of
    these layers masks are predicted, which in training keep a query from attending to patches outside of its mask;
    :class:`~mae_mm.engine.hooks.AnnealMasksHook` lets go of that by and by, so that a trained model predicts once.

    Width and patch come from the backbone when the segmentor, :class:`~mae_mm.models.EncoderDecoder`, calls
    :meth:`connect`.

    Args:
        num_queries: the most objects, or classes, that an image can have.
        decoder: ``dict(embed_dims=..., num_layers=..., num_heads=...)`` of the layers behind the encoder.
        num_points: at which masks are compared in training.

    Raises:
        ValueError: a backbone that does not hand out what is needed.
    """
    upscale: nn.Sequential  # these are made by connect
    queries: nn.Parameter
    masked_shares: Tensor

    def __init__(self, num_classes: int, num_queries: int = 100, decoder: dict | None = None, num_points: int = 12544,
                 ignore_index: int = 255, init_cfg: dict | None = None):
        if num_queries < 1 or num_points < 1:
            raise InputError(f'MaskHead: num_queries={num_queries} and num_points={num_points} are numbers from 1 on')
        super().__init__(1, 1, num_classes=num_classes, dropout_ratio=0., ignore_index=ignore_index, init_cfg=init_cfg)
        del self.conv_seg
        strange = set(decoder or ()) - {'embed_dims', 'num_layers', 'num_heads'}
        if strange:
            raise InputError('MaskHead: its decoder has embed_dims, num_layers and num_heads, and no '
                             f'{listed(strange)}')
        self.num_queries, self.num_points, self.decoder = num_queries, num_points, decoder
        self.encoder: tuple[MAE, ...] = ()  # in a tuple: its weights are not the head's

    def connect(self, backbone: MAE) -> None:
        """Make what depends on the encoder."""
        if not isinstance(backbone, MAE):
            raise InputError(f'MaskHead needs a mae_mm.MAE as the backbone, not a {type(backbone).__name__}')
        self.encoder = (backbone, )
        width = backbone.embed_dims
        if self.decoder is None:
            num_layers = backbone.num_layers - 1 - backbone.out_indices[0]
            _check_encoder(backbone, num_layers)
        else:
            width, num_layers = self._make_layers(**self.decoder)
        self.queries = nn.Parameter(torch.empty(self.num_queries, width))
        self.classify = nn.Linear(width, self.num_classes + 1)
        self.mask_mlp = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, width), nn.GELU(),
                                      nn.Linear(width, width))
        doublings = max(int(math.log2(backbone.patch_size)) - 2, 1)  # patches of 16: to a quarter of the image's sides
        self.upscale = nn.Sequential(*(Upscale(width) for _ in range(doublings)))
        # Of each layer: which share of the queries is kept within its mask.
        self.register_buffer('masked_shares', torch.ones(num_layers))
        self.shares = [1.] * num_layers  # the same, read without waiting for the device
        self.register_load_state_dict_post_hook(_read_shares)
        nn.init.normal_(self.queries)

    def _make_layers(self, embed_dims: int = 256, num_layers: int = 3, num_heads: int = 8) -> tuple[int, int]:
        backbone, = self.encoder
        if num_layers < 1 or embed_dims % num_heads:
            raise InputError(f'MaskHead: a decoder of {num_layers} layers, {embed_dims} wide with {num_heads} heads')
        if backbone.out_type != 'featmap':
            raise InputError(f'MaskHead with a decoder reads maps: model.backbone.out_type is {backbone.out_type!r} '
                             "and not 'featmap'")
        self.project = Linear(backbone.embed_dims * len(backbone.out_indices), embed_dims)
        self.layers = nn.ModuleList(EncoderLayer(embed_dims, num_heads) for _ in range(num_layers))
        self.ln1 = nn.LayerNorm(embed_dims, eps=1e-6)
        return embed_dims, num_layers

    def set_shares(self, shares: Sequence[float]) -> None:
        """Of each layer that sees the queries, the share of them that is kept within its mask."""
        self.shares = [float(share) for share in shares]
        self.masked_shares.copy_(self.masked_shares.new_tensor(self.shares))

    def init_weights(self) -> None:
        if self.decoder is not None:
            initialise_linear(self.layers)
        super().init_weights()

    def forward(self, inputs: Sequence[Any]) -> Tensor:
        """``(B, K, H, W)``: the logarithm of each class's score, the sum over the queries of class times mask.

        Their softmax is each class's share.
        """
        masks, scores = self.predict_queries(inputs)
        shares = scores.float().softmax(dim=2)[..., :-1].transpose(1, 2)  # B K Q
        found = shares @ masks.float().sigmoid().flatten(2)
        return found.clamp(min=FLOOR).log().unflatten(2, masks.shape[2:])

    def predict_queries(self, inputs: Sequence[Any]) -> tuple[Tensor, Tensor]:
        """``(B, Q, H, W)`` logits of masks, and ``(B, Q, K + 1)`` of classes, of which the last is for none."""
        return self._predictions(inputs)[-1]

    def loss(self, inputs: Sequence[Any], batch_data_samples: list, train_cfg: Any) -> dict[str, Tensor]:
        """The losses of all predictions: those before each layer that sees the queries, and the last."""
        labels = self._stack_batch_gt(batch_data_samples).squeeze(1)  # B height width
        sizes = [tuple(sample.img_shape) for sample in batch_data_samples]
        padded = any(size != tuple(labels.shape[1:]) for size in sizes)
        objects = [objects_of(label, self.ignore_index) for label in labels]
        predictions = self._predictions(inputs, sizes if padded else None)
        with torch.autocast(labels.device.type, enabled=False):  # sums over thousands of points
            parts = [query_losses(masks, scores, objects, self.num_points) for masks, scores in predictions]
        return {name: torch.stack([part[name] for part in parts]).sum() for name in parts[0]}

    def _predictions(self, inputs: Sequence[Any], sizes: Sequence[tuple[int, int]] | None = None
                     ) -> list[tuple[Tensor, Tensor]]:
        """Masks and classes after the last layer, and before that what was predicted before each one.

        Args:
            sizes: ``(height, width)`` of each image in pixels, if the batch was padded.
        """
        tokens, grid = self._tokens(inputs)
        num_before = tokens.shape[1] - grid[0] * grid[1] + self.num_queries
        tokens = torch.cat([self.queries.to(tokens.dtype).expand(tokens.shape[0], -1, -1), tokens], dim=1)  # B N C
        padding = None
        if sizes is not None:
            padding = patches_beyond(sizes, grid, self.encoder[0].patch_size, tokens.device)
            padding = F.pad(padding, (num_before, 0))
        done = []
        for i, share in enumerate(self.shares):
            mask = None
            if self.training or share > .5:
                done.append(self._predict(tokens, grid, num_before))
                mask = self._attention_mask(done[-1][0], share, tokens, grid)
            tokens = self._layer(i, tokens, mask, padding)
        return [*done, self._predict(tokens, grid, num_before)]

    def _tokens(self, inputs: Sequence[Any]) -> tuple[Tensor, Grid]:
        """The tokens that the queries join, ``(B, P + h*w, C)``, and the grid."""
        if not self.encoder:
            raise InputError('MaskHead is connected to no encoder: the segmentor is to be mae_mm.EncoderDecoder')
        if self.decoder is None:
            (maps, prefix), = inputs
            tokens = torch.cat([prefix, maps.flatten(2).transpose(1, 2)], dim=1)
        else:
            maps = torch.cat(list(inputs), dim=1)
            tokens = self.project(maps.flatten(2).transpose(1, 2))
        h, w = maps.shape[2:]
        return tokens, (h, w)

    def _layer(self, i: int, tokens: Tensor, mask: Tensor | None, padding: Tensor | None) -> Tensor:
        if self.decoder is not None:
            return self.layers[i](tokens, mask, padding=padding)
        backbone, = self.encoder
        return backbone._layer(backbone.num_layers - len(self.shares) + i, tokens, mask, padding=padding)

    def _predict(self, *args: Any) -> tuple[Tensor, Tensor]:
        """Of tokens, ``(B, N, C)``, the masks and classes; computed again in the backward pass.

        The pixels of one prediction are 16 times as many as patches, and a step has one more than layers see queries.
        """
        if self.training:
            return checkpoint(self._run_prediction, *args, use_reentrant=False, preserve_rng_state=False)
        return self._run_prediction(*args)

    def _run_prediction(self, tokens: Tensor, grid: Grid, num_before: int) -> tuple[Tensor, Tensor]:
        norm = self.encoder[0].ln1 if self.decoder is None else self.ln1
        tokens = norm(tokens)
        queries = tokens[:, :self.num_queries]
        pixels = self.upscale(tokens[:, num_before:].unflatten(1, grid))  # B H W C
        masks = self.mask_mlp(queries) @ pixels.flatten(1, 2).transpose(1, 2)
        return masks.unflatten(2, pixels.shape[1:3]), self.classify(queries)

    def _attention_mask(self, masks: Tensor, share: float, tokens: Tensor, grid: Grid) -> Tensor | None:
        """``(B, 1, N, N)``, to be added to the logits: patches outside of its mask are hidden from a query."""
        if share <= 0:
            return None
        outside = F.interpolate(masks.detach().float(), grid, mode='bilinear').flatten(2) <= 0  # B Q h*w
        if self.training and share < 1:
            outside &= torch.rand(outside.shape[:2], device=outside.device)[..., None] <= share
        mask = tokens.new_zeros(len(tokens), 1, tokens.shape[1], tokens.shape[1])
        mask[:, 0, :self.num_queries, -outside.shape[2]:].masked_fill_(outside, -math.inf)
        return mask


def _read_shares(head: MaskHead, _: Any) -> None:
    head.set_shares(head.masked_shares.tolist())


def _check_encoder(backbone: MAE, num_layers: int) -> None:
    found = dict(out_indices=backbone.out_indices, out_type=backbone.out_type, rel_pos_bias=backbone.rel_pos_bias,
                 final_norm=not isinstance(backbone.ln1, nn.Identity))
    if (len(backbone.out_indices) != 1 or num_layers < 1 or backbone.out_type != 'featmap+prefix'
            or backbone.rel_pos_bias or isinstance(backbone.ln1, nn.Identity)):
        raise InputError(f'{MODE}it has ' + ', '.join(f'{name}={value}' for name, value in found.items()))
