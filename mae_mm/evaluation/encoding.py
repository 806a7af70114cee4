"""What an encoder makes of images, for a cache.

Letters in shapes: B batch, P patches, C channels, L layers.
"""
import time
from collections.abc import Callable, Collection, Iterable
from typing import Any

import torch
from torch import Tensor

from ..errors import InputError
from ..progress import progress_of
from .cache import Entry

POOLED = 'pooled'
POOLINGS = ('mean', 'cls_token')  # the places in a record of the pooled tokens
TOKENS_AT_A_TIME = 16_384


def column_of(layer: int) -> str:
    """The column of a layer's patches."""
    return f'patches-{layer:02d}'


def shapes_of(backbone: Any, grid: tuple[int, int]) -> dict[str, tuple[int, ...]]:
    """Column -> shape of an image's record, of all columns that there can be."""
    depth, width = backbone.num_layers, backbone.embed_dims
    return {POOLED: (depth, len(POOLINGS), width),
            **{column_of(layer): (grid[0] * grid[1], width) for layer in range(depth)}}


@torch.no_grad()
def encode(backbone: Any, images: Tensor, columns: Collection[str], norm: bool = True) -> dict[str, Tensor]:
    """Columns of a batch, in half precision: ``pooled`` ``(B, L, 2, C)``, and patches of layers ``(B, P, C)``.

    Args:
        norm: apply the backbone's last norm to the tokens of every layer.
    """
    found, pooled = {}, []
    for place, tokens in enumerate(backbone.layer_inputs(images)):
        if place == 0:  # what the first layer reads
            continue
        tokens = backbone.ln1(tokens) if norm else tokens
        patches = tokens[:, backbone.num_prefix_tokens:]
        if column_of(place - 1) in columns:
            found[column_of(place - 1)] = patches.half()
        if found.keys() == set(columns):  # the layers after these are not run
            break
        if POOLED in columns:
            pooled.append(torch.stack([patches.mean(dim=1), tokens[:, :backbone.num_cls_tokens].mean(dim=1)], dim=1))
    if POOLED in columns:
        found[POOLED] = torch.stack(pooled, dim=1).half()
    return found


def fill(entry: Entry, columns: list[str], backbone: Any, loader: Callable[[int], Iterable[Tensor]],
         prepare: Callable[[Tensor], Tensor], norm: bool = True) -> tuple[int, float]:
    """Write the columns of an entry that are not there; the number of images for it, and the seconds in the encoder.

    Args:
        loader: from the first image that is wanted to batches of images.
        prepare: from a batch to what the backbone takes.

    Raises:
        ValueError: features that half precision cannot hold, or see :meth:`.Entry.writing`.
    """
    images, seconds = 0, 0.
    with entry.writing(columns) as writer, progress_of(entry.number - writer.place) as progress:
        for batch in loader(writer.place):
            start = time.perf_counter()
            found = {name: values.cpu() for name, values in encode(backbone, prepare(batch), columns, norm).items()}
            seconds += time.perf_counter() - start
            if not all(values.isfinite().all() for values in found.values()):
                raise InputError('the encoder gives features that are not finite, or too large for half precision; '
                                 'are its weights those of a finished training?')
            writer.add({name: values.numpy() for name, values in found.items()})
            images += len(batch)
            progress.update(len(batch))
    return images, seconds
