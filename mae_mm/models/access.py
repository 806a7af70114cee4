"""Looking into a backbone: the tokens of any layer, and what attends to what.

Letters in shapes: B batch, h w grid of patches, N tokens (class tokens, registers, h*w patches), C channels,
K heads.
"""
import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from ..errors import InputError
from .attention import Bias, BiasTable
from .position import Grid


def layer_places(indices: int | Sequence[int], depth: int, name: str = 'layers') -> list[int]:
    """Layers counted from 0, of ones that may count from the end; ``name`` is what a user calls them.

    Raises:
        ValueError: one that is no whole number, or not there.
    """
    places = [indices] if isinstance(indices, int) else indices
    if not isinstance(places, (list, tuple)) or not all(type(place) is int for place in places) or not places:
        raise InputError(f'{name}={indices!r}: a layer is a whole number, several are a list of them')
    for place in places:
        if not -depth <= place < depth:
            raise InputError(f'{name} has layer {place}, the backbone has {depth} layers')
    return [place % depth for place in places]


OUT_TYPES = ('featmap', 'featmap+cls_token', 'featmap+prefix', 'cls_token', 'avg_featmap')  # what a backbone returns


def output_places(out_indices: int | Sequence[int], out_type: str, depth: int) -> list[int]:
    """The layers whose outputs a backbone returns as an ``out_type``, counted from 0.

    Raises:
        ValueError: an unknown type, pooled tokens of others than the last layer; see :func:`layer_places`.
    """
    places = layer_places(out_indices, depth, 'out_indices')
    if out_type not in OUT_TYPES:
        raise InputError(f'out_type={out_type!r} is not one of {", ".join(OUT_TYPES)}')
    if not out_type.startswith('featmap') and places != [depth - 1]:
        raise InputError(f'out_type={out_type!r} works on the last layer only, not on out_indices={out_indices}')
    return places


def pooled_tokens(out_type: str, num_cls_tokens: int, num_prefix_tokens: int) -> slice | None:
    """Which tokens of the last layer are pooled; None if maps are returned."""
    return {'cls_token': slice(num_cls_tokens), 'avg_featmap': slice(num_prefix_tokens, None)}.get(out_type)


class LayerAccess:
    """What a backbone lets one see of its layers."""
    num_layers: int
    num_cls_tokens: int
    num_prefix_tokens: Any
    grid_of: Callable[..., Grid]
    _embed: Callable[[Tensor, Grid], Tensor]
    _embed_visible: Callable[[Tensor, Tensor], Tensor]
    _layer: Callable[[int, Tensor, Bias], Tensor]
    _biases: Callable[[Grid], list[Bias]]
    layers: Any
    ln1: Any

    def layer_inputs(self, images: Tensor) -> Iterator[Tensor]:
        """``(B, N, C)``: what each layer reads, and last what comes after them, before the last norm."""
        grid = self.grid_of(*images.shape[2:])
        tokens = self._embed(images, grid)
        yield tokens
        for i, bias in enumerate(self._biases(grid)):
            tokens = self._layer(i, tokens, bias)
            yield tokens

    def layer_outputs(self, images: Tensor, places: Sequence[int]) -> dict[int, Tensor]:
        """``(B, N, C)`` of each of these layers, counted from 0; those after the deepest of them are not run."""
        run = itertools.islice(self.layer_inputs(images), 1, max(places) + 2)
        return {i: tokens for i, tokens in enumerate(run) if i in places}

    def visible_layers(self, images: Tensor, ids_keep: Tensor) -> Iterator[Tensor]:
        """``(B, P + n, C)``: what each layer makes of the prefix and of some patches alone; see :meth:`MAE.encode`."""
        tokens = self._embed_visible(images, ids_keep)
        for i in range(self.num_layers):
            tokens = self._layer(i, tokens, None)
            yield tokens

    def get_intermediate_layers(self, images: Tensor, n: int | Sequence[int] = 1, reshape: bool = False,
                                return_class_token: bool = False, norm: bool = True) -> tuple:
        """The tokens of some layers, under the name and with the arguments that DINOv2 and timm have.

        Args:
            n: the last n layers, or a list of them, of which negative ones count from the end.
            reshape: patches as ``(B, C, h, w)`` maps, not as ``(B, h*w, C)`` tokens.
            return_class_token: ``(patches, class token)`` of each layer; the latter ``(B, C)``, the mean of several.
            norm: apply the backbone's last norm (with ``out_type='avg_featmap'`` or ``final_norm=False`` it has none).

        Raises:
            ValueError: a layer that is not there.
        """
        if isinstance(n, int) and not 1 <= n <= self.num_layers:
            raise InputError(f'n={n}: the backbone has {self.num_layers} layers')
        depth = self.num_layers
        places = list(range(depth - n, depth)) if isinstance(n, int) else layer_places(n, depth)
        grid = self.grid_of(*images.shape[2:])
        found = self.layer_outputs(images, places)
        results = []
        for tokens in (self.ln1(found[place]) if norm else found[place] for place in places):
            patches = tokens[:, self.num_prefix_tokens:]
            if reshape:
                patches = patches.transpose(1, 2).unflatten(2, grid).contiguous()
            results.append((patches, tokens[:, :self.num_cls_tokens].mean(dim=1)) if return_class_token else patches)
        return tuple(results)

    def attention_weights(self, images: Tensor, layer: int = -1) -> Tensor:
        """``(B, K, N, N)``: how much of each token (the last axis) every token takes in a layer; rows sum to 1."""
        place, = layer_places(layer, self.num_layers)
        tokens = next(itertools.islice(self.layer_inputs(images), place, None))
        block = self.layers[place]
        B, N, _ = tokens.shape
        qkv = block.attn.qkv(block.ln1(tokens)).reshape(B, N, 3, block.attn.num_heads, -1)
        q, k, _ = qkv.permute(2, 0, 3, 1, 4)  # each B K N C/K
        logits = q @ k.transpose(-1, -2) * q.shape[-1]**-.5
        bias = self._biases(self.grid_of(*images.shape[2:]))[place]
        if bias is not None:
            logits = logits + (bias.spread() if isinstance(bias, BiasTable) else bias)
        return torch.softmax(logits.float(), dim=-1)

    def get_layer_depth(self, param_name: str, prefix: str = '') -> tuple[int, int]:
        """``(depth, number of depths)`` of a parameter, for layer-wise decay of the learning rate.

        Depth 0 is the embeddings, n the n-th layer, the last one all that comes after the layers.
        """
        num_depths = self.num_layers + 2
        name = param_name.removeprefix(prefix)
        if not param_name.startswith(prefix):
            return num_depths - 1, num_depths
        if name in ('cls_token', 'register_tokens', 'pos_embed') or name.startswith('patch_embed.'):
            return 0, num_depths
        if name.startswith('layers.'):
            return int(name.split('.')[1]) + 1, num_depths
        return num_depths - 1, num_depths
