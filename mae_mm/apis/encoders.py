"""A frozen encoder from a checkpoint alone: what its file tells is enough."""
import contextlib
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from mmengine.device import get_device
from torch import Tensor

from ..checkpoint.describing import Description, describe, encoder_settings
from ..checkpoint.formats import convert
from ..checkpoint.loading import LAST_NORM, encoder_of, load_into
from ..checkpoint.reading import read_checkpoint, tensors_of
from ..config.stored import stored_config
from ..datasets.labelled import bands_of
from ..datasets.reading import MAX_BANDS
from ..errors import InputError
from ..models import MAE

IMAGENET = dict(mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375])


class FrozenEncoder:
    """An encoder in eval mode, with what its images have to be like.

    Args:
        source: a file, folder or URL of any known format.
        num_heads: of its attention, if neither the file nor the encoder's width tells.

    Attributes:
        digest: 32 digits of its weights and of what they do not tell, whatever its file is called.
        img_size: ``(height, width)`` in pixels that it was trained with.
        mean, std: of the bands; those of the config that the file holds, else ImageNet's.
        bands: settings of :class:`mae_mm.datasets.LoadImage`, of an encoder of other bands than RGB.

    Raises:
        ValueError: a file without an encoder, or one that does not tell enough of it.
    """

    def __init__(self, source: str, num_heads: int | None = None):
        self.source = source
        checkpoint = read_checkpoint(source)
        try:
            weights, _ = encoder_of(convert(tensors_of(checkpoint)).weights)
            described = describe(weights)
        except InputError as error:
            raise InputError(f'{source}: {error}') from None
        self.stored_heads = described.backbone.num_heads
        self.backbone = _built(described, source, num_heads)
        own = self.backbone.state_dict()
        for name in [name for name in weights if name.startswith(LAST_NORM) and name not in own]:
            del weights[name]  # of pooled tokens
        load_into(self.backbone, weights, source)
        grid: Any = described.backbone.grid
        self.img_size = grid[0] * described.patch_size, grid[1] * described.patch_size
        layer: Any = self.backbone.layers[0]
        facts = [grid, layer.attn.num_heads, layer.ln1.eps, self.backbone.pos_resize]
        self.digest = _digest(self.backbone.state_dict(), facts)
        self.mean, self.std, self.bands = _pixels(checkpoint, source, described.in_channels)
        self.device = torch.device(get_device())
        self.backbone.eval().requires_grad_(False).to(self.device)
        self._mean, self._std = (torch.tensor(values, device=self.device)[:, None, None]
                                 for values in (self.mean, self.std))

    def prepare(self, images: Tensor) -> Tensor:
        """``(B, C, H, W)`` pixels as the backbone takes them."""
        return (images.to(self.device, torch.float32) - self._mean) / self._std

    def check_size(self, size_px: tuple[int, int]) -> tuple[int, int]:
        """The grid of patches of images of a size.

        Raises:
            ValueError: patches do not tile it; with a size that they do.
        """
        try:
            return self.backbone.grid_of(*size_px)
        except InputError:
            p = self.backbone.patch_size
            near = ','.join(str(max(1, round(side / p)) * p) for side in size_px)
            raise InputError(f'{self.source}: its patches of {p} pixels do not tile images of {size_px[0]}x'
                             f'{size_px[1]}; --img-size {near} would do') from None


def _built(described: Description, source: str, num_heads: int | None) -> MAE:
    part = described.backbone
    heads = num_heads if part.num_heads is None else part.num_heads
    if heads is None:
        raise InputError(f'{source} does not store the number of attention heads; give it with --num-heads')
    if heads < 1 or part.embed_dims % heads:
        raise InputError(f'--num-heads {heads}: a width of {part.embed_dims} cannot be divided among that many')
    if part.grid is None:
        raise InputError(f'{source} does not store its grid of patches, which is not square; convert it with '
                         '--grid HEIGHT WIDTH: mae-mm convert')
    with torch.device('meta'):  # the file's tensors become its parameters
        return MAE(**{**encoder_settings(described), 'num_heads': heads, 'final_norm': described.final_norm})


def _digest(weights: Mapping[str, Tensor], facts: Sequence[Any]) -> str:
    digest = hashlib.blake2b(repr(facts).encode(), digest_size=16)
    for name in sorted(weights):
        digest.update(name.encode())
        digest.update(weights[name].float().contiguous().numpy().data)
    return digest.hexdigest()


def _pixels(checkpoint: Any, source: str, channels: int) -> tuple[list[float], list[float], dict[str, Any]]:
    """Mean, deviation and the loader's settings."""
    told: Any = {}
    statistics = None
    with contextlib.suppress(InputError):  # a file of another project, or of weights alone
        cfg = stored_config(checkpoint, source)
        told, statistics = cfg.model.get('data_preprocessor') or {}, cfg.get('statistics')
    mean, std = (list(told.get(key) or IMAGENET[key]) for key in ('mean', 'std'))
    if len(mean) != channels:
        raise InputError(f'{source}: the encoder is for {channels} bands, and the file does not store their mean and '
                         f'deviation; files of this package do, for at most {MAX_BANDS} bands')
    return mean, std, bands_of(statistics)
