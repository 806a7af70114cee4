"""Pictures of what an evaluation found."""
import os
import re
from collections.abc import Iterable
from typing import Any

import numpy as np
import torch

from ..checkpoint.writing import AtomicBackend
from ..datasets.labelled import LabelledSet
from ..outputs import short_name
from ..visualization.bands import shown_bands, stretched
from ..visualization.features import pca_colours
from ..visualization.panels import Panel, panels_png
from ..visualization.probes import attention_map, layers_picture
from .encoders import FrozenEncoder

FOLDER = 'pictures'
SHOWN_K = 20


def draw_layers(rows: Iterable[dict[str, Any]], out: str) -> None:
    """A picture of the figures by layer for each set, number of training images and metric, with a panel a probe.

    Of the numbers of neighbours the largest up to ``SHOWN_K`` is drawn.
    """
    groups: dict[tuple[str, str, str], dict[str, dict[str, dict[tuple[str, str], list]]]] = {}
    for row in sorted(rows, key=lambda row: (_neighbours(row), row['layer'])):
        if _neighbours(row) <= SHOWN_K:
            metric, _, count = row['metric'].partition('_k')
            panels = groups.setdefault((row['data'], row['shots'], metric), {}).setdefault(row['probe'], {})
            curves = panels.setdefault(f'{row["probe"]}, k={count}' if count else row['probe'], {})
            curves.setdefault((row['checkpoint'], row['pooling']), []).append(
                (row['layer'], row['mean'], row['deviation'] or 0))
    for (data, few, metric), probes in groups.items():
        drawn = dict(list(panels.items())[-1] for panels in probes.values())  # of the most neighbours
        if any(len(curve) > 1 for curves in drawn.values() for curve in curves.values()):
            picture = layers_picture(drawn, f'{data}, training images: {few}', metric)
            AtomicBackend().put(picture, os.path.join(out, FOLDER, file_name(metric, data, few) + '.png'))


def _neighbours(row: dict[str, Any]) -> int:
    return int(row['metric'].partition('_k')[2] or 0)


@torch.no_grad()
def draw_patches(encoder: FrozenEncoder, data: LabelledSet, layer: int, norm: bool, number: int, out: str) -> None:
    """A row for each of some test images, evenly spread: the image, its patches, and attention in a layer.

    The colours are the first three principal components of the patches of all these images; attention is that of the
    class tokens, and of the patch in the middle, which is framed in the image.
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
    rows, (colours, _) = [], pca_colours(maps)
    tall, wide = (side / count for side, count in zip(data.test.size_px, grid, strict=True))
    for image, coloured, (of_class, of_patch) in zip(images, colours, looks, strict=True):
        shown = image[..., list(shown_bands(image.shape[2]))]
        rgb = shown if shown.shape[2] == 3 and shown.dtype == np.uint8 else stretched(shown, shown)
        rows.append([Panel('image', rgb, marked=(middle[0] * tall, middle[1] * wide, tall, wide)),
                     Panel('components of features', coloured), Panel('class tokens attend to', of_class),
                     Panel('the patch attends to', of_patch)])
    heading = f'{short_name(encoder.source)}: layer {layer}, {data.name}'
    name = file_name('patches', data.name, os.path.basename(encoder.source), encoder.digest[:8])
    AtomicBackend().put(panels_png(rows, heading), os.path.join(out, FOLDER, f'{name}.png'))


def file_name(*parts: str) -> str:
    return re.sub(r'[^\w.%-]+', '-', '_'.join(parts))
