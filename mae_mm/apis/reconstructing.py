"""Hiding patches of images and having a model fill them in."""
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..checkpoint.grids import Grid
from ..errors import InputError
from ..models import MaskedAutoencoder
from ..models.masking import num_visible
from ..visualization.bands import read_rgb
from ..visualization.reconstruction import STATISTICS, Pictures, reconstruction_pictures
from .inputs import Source, results_of
from .masks import KINDS, drawn_order, hidden_patches, over_image, painted_mask, painted_order

GREYS = .25, .75  # of what is visible and what is hidden, on their way through a pipeline


class Reconstructing:
    """What :meth:`.Model.reconstruct` does with a batch.

    Raises:
        ValueError: a model without a decoder, or arguments that cannot be.
    """

    def __init__(self, model: Any, sources: Sequence[Source], mask: Any, mask_ratio: float | None, seed: int,
                 statistics: str):
        if not isinstance(seed, int):
            raise InputError(f'seed={seed!r} is not a whole number')
        self.model, self.sources, self.seed, self.statistics = model, sources, seed, statistics
        check_decoder(model)
        if statistics not in STATISTICS:
            raise InputError(f'statistics={statistics!r} is neither of {", ".join(STATISTICS)}')
        self.kind = mask if isinstance(mask, str) and mask in KINDS else None
        self.painted = None if self.kind else painted_mask(mask)
        if self.painted is not None and mask_ratio is not None:
            raise InputError('mask_ratio has no effect with a painted mask; leave one of them out')
        self.mask_ratio = model.model.mask_ratio if mask_ratio is None else mask_ratio

    @torch.no_grad()
    def step(self, batch: dict) -> list[Pictures]:
        autoencoder = self.model.model
        batch = autoencoder.data_preprocessor(batch, False)
        inputs = batch['inputs']
        grid = autoencoder.backbone.grid_of(*inputs.shape[2:])
        masks = [self._mask(sample.sample_idx, grid, inputs.shape[2:]) for sample in batch['data_samples']]
        done: dict[int, Pictures] = {}
        for num_keep in {number for _, number in masks}:  # of painted masks, images may have different ones
            rows = [i for i, (_, number) in enumerate(masks) if number == num_keep]
            orders = torch.stack([masks[i][0] for i in rows])
            pictures = reconstruction_pictures(autoencoder, inputs[rows], orders, num_keep,
                                               self.model.cfg.get('picture_bands'), self.statistics)
            done.update(zip(rows, pictures, strict=True))
        return [done[i] for i in range(len(masks))]

    def _mask(self, place: int, grid: Grid, seen: Sequence[int]) -> tuple[Tensor, int]:
        """The order of an image's patches, and how many are visible."""
        if self.kind:
            num_keep = num_visible(grid[0] * grid[1], self.mask_ratio)
            order = drawn_order(self.kind, place, self.seed, grid, num_keep, self.model.model.mask_block)
            return order, num_keep
        painted: Any = self.painted
        if painted.shape == tuple(seen):
            return painted_order(hidden_patches(torch.from_numpy(painted), grid))
        source = self.sources[place]
        size = (read_rgb(source.path) if source.array is None else source.array).shape[:2]  # type: ignore[arg-type]
        canvas = over_image(painted, size)
        if canvas is None:
            texts = ('x'.join(map(str, shape)) for shape in (painted.shape, size, seen))
            raise InputError('the painted mask is {} pixels, {} is {}, and the model sees {} of it: a mask has the '
                             'shape of the image, or the size of what the model sees'.format(
                                 next(texts), source.path or f'image {source.name}', *texts))
        return painted_order(hidden_patches(as_seen(self.model, canvas), grid))


def as_seen(model: Any, canvas: np.ndarray) -> Tensor:
    """``(H, W)`` of 0 to 1 as a model's pipeline leaves it: scaled and cropped as an image, ``(h, w)``."""
    statistics = model.cfg.get('statistics')
    low, high = GREYS
    values = (low + (high - low) * canvas)[..., None]
    values = np.repeat(values, len(statistics['mean']), axis=2) if statistics else (255 * values).astype(np.uint8)
    inputs = model.pipeline(results_of(Source(None, 'mask', values), 0, bool(statistics)))['inputs']
    return (inputs[0].float() / (1 if statistics else 255) - low) / (high - low)


def check_decoder(model: Any) -> None:
    """Raises ``ValueError`` if a model does not reconstruct, with the reason."""
    if not isinstance(model.model, MaskedAutoencoder) or model.model.untrained:
        raise InputError(f'{model.source} has no decoder, without which nothing is reconstructed; take a checkpoint '
                         'of pre-training, which holds encoder and decoder')
    if model.cfg.get('norm_pix_unknown'):
        raise InputError(f'{model.source} does not store whether its decoder predicts normalised patches; give a '
                         'config before it, with --cfg-options model.norm_pix=False if they are not, or '
                         '`mae-mm convert --whole --norm-pix no`')
