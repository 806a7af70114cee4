"""Sheets of pictures that show what a model does, as PNG files of 800 pixels' width: what the command writes."""
import math
import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import InputError
from ..models.access import layer_places
from ..outputs import short_name
from ..visualization.attention import attention_panels, bias_panels, wrapped
from ..visualization.features import pca_colours
from ..visualization.panels import Panel, panels_png
from .inputs import Source, sources_of
from .masks import KINDS
from .models import Model

MOST_WEIGHTS = 2**30  # of the attention of a layer, heads x N x N: 4 GB
PICTURES = 16  # images on a sheet unless more are asked for
NORMALISED = {
    'visible': 'normalised targets, shown with the mean and deviation of the visible patches around',
    'true': 'normalised targets, shown with the TRUE mean and deviation of hidden patches, which nothing predicted'}


def reconstruction_sheet(model: Model, images: Any, mask: Any = 'random', mask_ratio: float | None = None,
                         seed: int = 0, statistics: str = 'visible', pictures: int = PICTURES,
                         batch_size: int = 16) -> bytes:
    """The paper's picture: a row for each image, of all of it, its visible part, and what the model makes of that.

    Args:
        pictures: how many images, from the first on; for the other arguments see :meth:`.Model.reconstruct`.

    Raises:
        ValueError: see there.
    """
    sources, count = _first(images, pictures)
    results = model.reconstruct(sources, mask_ratio, seed, batch_size, mask=mask, statistics=statistics)
    hidden = 100 * float(np.mean([result.mask.mean() for result in results]))
    if isinstance(mask, str) and mask in KINDS:
        how = {'random': f'random, seed {seed}', 'block': f'blocks, seed {seed}', 'grid': 'a grid'}[mask]
    else:
        how = f'painted in {os.path.basename(mask)}' if isinstance(mask, (str, os.PathLike)) else 'painted'
    h, w = results[0].mask.shape
    settings = f'{hidden:.0f} % of {h}x{w} patches hidden ({how}){count}'
    if model.model.norm_pix:
        settings += f'\n{NORMALISED[statistics]}'
    rows = [[Panel(source.name, result.image), Panel('visible', result.visible),
             Panel('reconstruction', result.predicted), Panel('with visible patches', result.reconstruction)]
            for source, result in zip(sources, results, strict=True)]
    return _sheet(rows, model, settings)


def attention_sheet(model: Model, images: Any, layers: Sequence[int] = (-1, ), patch: Sequence[int] | None = None,
                    token: int = 0, heads: Sequence[int] | None = None, pictures: int = 4) -> bytes:
    """What a token takes of each patch of some images, in the mean of the heads and in each, of some layers.

    Args:
        layers: counted from 0 or from the end.
        patch: ``(row, column)`` of the patch that looks, counted from 0; None for a token before the patches.
        token: which one of these; 0 is the first class token.
        heads: counted from 0; None for all.
        pictures: how many images, from the first on.

    Raises:
        ValueError: a layer, head, patch or token that is not there.
    """
    backbone = model.model.backbone
    sources, count = _first(images, pictures)
    places = layer_places(list(layers), backbone.num_layers)
    _check_heads(model, heads)
    if not 0 <= token < backbone.num_prefix_tokens:
        raise InputError(f'token {token}: there are {backbone.num_prefix_tokens} before the patches, counted from 0')
    rows: list[list[Panel]] = []
    views = model.views(sources, progress=False)
    for source, view in zip(sources, views, strict=True):
        _check_memory(model, source, view)
    by_layer = {place: model.attention(sources, place) for place in dict.fromkeys(places)}
    for i, (source, view) in enumerate(zip(sources, views, strict=True)):
        grid = backbone.grid_of(*view.shape[:2])
        query = token if patch is None else backbone.num_prefix_tokens + _patch_id(patch, grid)
        for place, weights in by_layer.items():
            name = source.name if len(by_layer) == 1 else f'layer {place}: {source.name}'
            rows += attention_panels(view, weights[i], query, grid, backbone.num_prefix_tokens, heads, name)
    what = f'token {token}' if token else 'the class token'
    what = what if patch is None else f'patch {patch[0]}, {patch[1]}'
    return _sheet(rows, model, f'{_layers(model, places)}: attention of {what} to each patch, in percent; bright is '
                               f'the largest of each map{count}')


def bias_sheet(model: Model, layers: Sequence[int] = (-1, ), heads: Sequence[int] | None = None) -> bytes:
    """The learned relative position bias of each head of some layers; see :func:`.bias_panels`.

    Raises:
        ValueError: a backbone without one, a layer or head that is not there.
    """
    backbone = model.model.backbone
    if not backbone.rel_pos_bias:
        raise InputError(f'{model.source} has no relative position bias: it is of a backbone with rel_pos_bias=False')
    places = layer_places(list(layers), backbone.num_layers)
    _check_heads(model, heads)
    rows, ends = [], []
    for place in dict.fromkeys(places):
        table = backbone.layers[place].attn.relative_position_bias_table
        panels, largest = bias_panels(table, backbone.grid, heads)
        rows += [[panel._replace(title=f'layer {place}, {panel.title}') for panel in row] for row in panels]
        ends.append(f'{largest:.2g}')
    h, w = backbone.grid
    return _sheet(rows, model, f'{_layers(model, places)}: the bias of attention to patches up to {h - 1} rows and '
                               f'{w - 1} columns away (the querying patch is in the middle); orange is above 0, '
                               f'violet below, to {", ".join(ends)}')


def pca_sheet(model: Model, images: Any, layer: int = -1, pictures: int = PICTURES) -> bytes:
    """Images beside the first three principal components of their patches' features; see :func:`.pca_colours`.

    Raises:
        ValueError: a layer that is not there.
    """
    sources, count = _first(images, pictures)
    place, = layer_places(layer, model.model.backbone.num_layers)
    maps = model.features(sources, place, 'maps')
    views = model.views(sources, progress=False)
    colours, shares = pca_colours(list(maps))
    pairs = [panel for source, view, picture in zip(sources, views, colours, strict=True)
             for panel in (Panel(source.name, view), Panel(_size(picture), picture))]
    told = ', '.join(f'{100 * share:.0f} %' for share in shares)
    return _sheet(wrapped(pairs, 4), model, f'{_layers(model, [place])}: principal components of patch features as '
                                            f'lightness, blue to yellow, and green to red; they have {told} of the '
                                            f'variance; one basis for all images{count}')


def _sheet(rows: Sequence[Sequence[Panel]], model: Model, settings: str) -> bytes:
    return panels_png(rows, f'{short_name(model.source)}\n{settings}')


def _size(picture: np.ndarray) -> str:
    return f'{picture.shape[0]}x{picture.shape[1]} patches'


def _first(images: Any, pictures: int) -> tuple[list[Source], str]:
    """The first images, and what a heading says of the rest."""
    if pictures < 1:
        raise InputError(f'pictures={pictures} is not a number from 1 on')
    sources = sources_of(images)
    more = len(sources) > pictures
    return sources[:pictures], f'; the first {pictures} of {len(sources)} images' if more else ''


def _layers(model: Model, places: Sequence[int]) -> str:
    named = ', '.join(map(str, dict.fromkeys(places)))
    return f'layer{"s" if len(set(places)) > 1 else ""} {named} (of 0 to {model.model.backbone.num_layers - 1})'


def _check_heads(model: Model, heads: Sequence[int] | None) -> None:
    number = model.model.backbone.layers[0].attn.num_heads
    for head in heads or ():
        if not 0 <= head < number:
            raise InputError(f'head {head}: there are {number}, counted from 0')


def _check_memory(model: Model, source: Source, view: np.ndarray) -> None:
    backbone = model.model.backbone
    num_tokens = math.prod(backbone.grid_of(*view.shape[:2])) + backbone.num_prefix_tokens
    if backbone.layers[0].attn.num_heads * num_tokens**2 > MOST_WEIGHTS:
        raise InputError(f'{source.path or source.name}: the model sees {num_tokens:,} tokens of it, and the '
                         'attention of each to each takes too much memory; scale it down')


def _patch_id(patch: Sequence[int], grid: tuple[int, int]) -> int:
    row, column = patch
    if not (0 <= row < grid[0] and 0 <= column < grid[1]):
        raise InputError(f'patch {row} {column}: the model sees {grid[0]} rows and {grid[1]} columns of patches, '
                         'counted from 0')
    return row * grid[1] + column
