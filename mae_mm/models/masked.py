"""What learns from images of which a part is hidden: which part, and how mmengine's runners call it.

Letters in shapes: B batch, L patches of an image, C channels of the image.
"""
from typing import Any

import torch
from mmengine.model import BaseModel
from mmengine.registry import MODELS
from mmengine.structures import BaseDataElement
from torch import Tensor, nn

from ..errors import InputError
from .grid import QuietlyInitialised, refuse_other_names
from .masking import checked_block, draw_order, num_visible, order_of_sample
from .vit import MAE


class MaskedModel(QuietlyInitialised, BaseModel):
    """An encoder that sees the visible patches, and losses of what it makes of them.

    Args:
        backbone: :class:`MAE` or its config. Its position embedding is fixed unless it has ``learned_positions``.
        mask_ratio: the share of hidden patches, between 0 and 1.
        mask_block: side, or ``(height, width)``, in patches, of what is hidden together.

    Raises:
        ValueError: another backbone, one with a relative position bias, or a ratio or a block that does not fit.
    """

    def __init__(self, backbone: MAE | dict, mask_ratio: float, mask_block: int | tuple[int, int],
                 data_preprocessor: dict | nn.Module | None, init_cfg: dict | None):
        super().__init__(data_preprocessor=data_preprocessor, init_cfg=init_cfg)
        self.backbone = self._built(backbone, MAE)
        if self.backbone.rel_pos_bias:
            raise InputError('pre-training needs a backbone with rel_pos_bias=False')
        h, w = self.backbone.grid
        num_visible(h * w, mask_ratio)
        self.mask_ratio = mask_ratio
        self.mask_block = checked_block(mask_block, self.backbone.grid)
        if not self.backbone.learned_positions:
            self.backbone.pos_embed.requires_grad_(False)
        self.register_load_state_dict_pre_hook(refuse_other_names)

    def _built(self, part: Any, kind: type) -> Any:
        """A part, or what its config says; ``ValueError`` if it is of another kind."""
        part = part if isinstance(part, nn.Module) else MODELS.build(part)
        if not isinstance(part, kind):
            raise InputError(f'{type(self).__name__} needs a mae_mm.{kind.__name__}, not a {type(part).__name__}')
        return part

    def forward(self, inputs: Tensor, data_samples: list | None = None, mode: str = 'tensor') -> Any:
        """mmengine's entry: ``mode`` is ``'loss'``, ``'predict'`` (held-out losses) or ``'tensor'`` (maps)."""
        if mode == 'loss':
            return self.loss(inputs, data_samples)
        if mode == 'predict' and data_samples is not None:
            return self.predict(inputs, data_samples)
        return self.backbone(inputs)

    def loss(self, inputs: Tensor, data_samples: list | None = None, *,
             ids_shuffle: Tensor | None = None) -> dict[str, Tensor]:
        """The mean loss of a batch.

        Args:
            inputs: ``(B, C, H, W)``.
            ids_shuffle: ``(B, L)`` orders of the patches, the visible ones first; drawn if not given.
        """
        return {'loss': self._losses(inputs, *self._mask(inputs, ids_shuffle)).mean()}

    def _losses(self, images: Tensor, ids_shuffle: Tensor, num_keep: int) -> Tensor:
        """``(B, n)``: what a loss is the mean of. Nothing is drawn, so that it compiles."""
        raise NotImplementedError

    def _mask(self, images: Tensor, ids_shuffle: Tensor | None) -> tuple[Tensor, int]:
        h, w = grid = self.backbone.grid_of(*images.shape[2:])
        if ids_shuffle is None:
            ids_shuffle = draw_order(len(images), grid, images.device, self.mask_block)
        if ids_shuffle.shape != (len(images), h * w):
            raise InputError(f'ids_shuffle has the shape {tuple(ids_shuffle.shape)} for {len(images)} images '
                             f'of {h}x{w} patches')
        return ids_shuffle, num_visible(h * w, self.mask_ratio)

    def predict(self, inputs: Tensor, data_samples: list[BaseDataElement]) -> list[BaseDataElement]:
        """Give each sample its ``reconstruction_loss``, under a mask that depends on its ``sample_idx`` alone."""
        grid = self.backbone.grid_of(*inputs.shape[2:])
        orders = torch.stack([order_of_sample(sample.sample_idx, grid, self.mask_block) for sample in data_samples])
        losses = self._losses(inputs, *self._mask(inputs, orders.to(inputs.device))).mean(dim=1)
        for sample, loss in zip(data_samples, losses.tolist(), strict=True):
            sample.reconstruction_loss = loss
        return data_samples
