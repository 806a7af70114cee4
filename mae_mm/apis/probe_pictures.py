"""Pictures of what an evaluation found."""
import os
import re
from collections.abc import Iterable
from typing import Any

import numpy as np
import torch

from ..checkpoint.writing import AtomicBackend
from ..datasets.labelled import LabelledSet
from ..visualization import write_rgb
from ..visualization.bands import shown_bands, stretched
from ..visualization.probes import (
    attention_map,
    enlarged,
    heat,
    layers_picture,
    marked,
    pca_colours,
    strip_size,
)
from ..visualization.segmentation import contact_sheet, side_by_side
from .encoders import FrozenEncoder

FOLDER = 'pictures'


def draw_layers(rows: Iterable[dict[str, Any]], out: str) -> None:
    """A picture of the figures by layer for each set, number of training images and metric.

    Of the numbers of neighbours there is one picture; layers that were not asked for are not there.
    """
    groups: dict[tuple[str, str, str], dict[str, list]] = {}
    for row in rows:
        metric, _, count = row['metric'].partition('_k')
        name = ' '.join(filter(None, (row['checkpoint'], row['probe'] + count, row['pooling'])))
        curves = groups.setdefault((row['data'], row['shots'], metric), {})
        curves.setdefault(name, []).append((row['layer'], row['mean'], row['deviation'] or 0))
    for (data, few, metric), curves in groups.items():
        if max(map(len, curves.values())) > 1:
            picture = layers_picture({name: sorted(curve) for name, curve in curves.items()},
                                     f'{data}, training images: {few}', metric)
            AtomicBackend().put(picture, os.path.join(out, FOLDER, file_name(metric, data, few) + '.png'))


@torch.no_grad()
def draw_patches(encoder: FrozenEncoder, data: LabelledSet, layer: int, norm: bool, number: int, out: str) -> None:
    """A row for each of some test images, evenly spread: the image, its patches, and attention in a layer.

    The colours are the first three principal components of the patches of all these images; attention is that of the
    class tokens, and of the patch in the middle, which is framed.
    """
    places = np.linspace(0, len(data.test) - 1, min(number, len(data.test))).astype(int)
    images = [data.test.picture(place) for place in places]
    grid = encoder.check_size(data.test.size_px)
    backbone, middle = encoder.backbone, (grid[0] // 2, grid[1] // 2)
    token = backbone.num_prefix_tokens + middle[0] * grid[1] + middle[1]
    maps, looks = [], []
    for image in images:
        inputs = encoder.prepare(torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))[None])
        maps.append(backbone.get_intermediate_layers(inputs, [layer], reshape=True, norm=norm)[0][0].cpu())
        weights = backbone.attention_weights(inputs, layer)[0]
        looks.append([attention_map(weights, tokens, backbone.num_prefix_tokens, grid) for tokens in (
            slice(0, backbone.num_cls_tokens), slice(token, token + 1))])
    size, strips = strip_size(data.test.size_px), []
    for image, colours, (of_class, of_patch) in zip(images, pca_colours(maps), looks, strict=True):
        shown = image[..., list(shown_bands(image.shape[2]))]
        rgb = shown if shown.shape[2] == 3 and shown.dtype == np.uint8 else stretched(shown, shown)
        strips.append(side_by_side([enlarged(rgb, size, True), enlarged(colours, size), enlarged(heat(of_class), size),
                                    marked(enlarged(heat(of_patch), size), middle, grid)]))
    name = file_name('patches', data.name, os.path.basename(encoder.source), encoder.digest[:8])
    write_rgb(contact_sheet(strips, columns=1, width_px=strips[0].shape[1]), os.path.join(out, FOLDER, f'{name}.png'))


def file_name(*parts: str) -> str:
    return re.sub(r'[^\w.%-]+', '-', '_'.join(parts))
