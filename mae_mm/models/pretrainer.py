"""Pre-training by masked autoencoding (arXiv:2111.06377).

Letters in shapes: B batch, L patches of an image, p side of a patch, C channels of the image.
"""
from typing import Any, NamedTuple

import torch
from mmengine.model import BaseModel
from mmengine.registry import MODELS as ROOT_MODELS
from mmengine.structures import BaseDataElement
from torch import Tensor, nn

from ..errors import InputError
from ..registry import MODELS
from .decoder import MAEDecoder
from .grid import refuse_other_names
from .masking import checked_block, draw_order, hidden_mask, num_visible, order_of_sample
from .patches import patch_statistics, patchify, take_patches, unpatchify
from .vit import MAE


class Reconstruction(NamedTuple):
    """What :meth:`MaskedAutoencoder.reconstruct` returns."""
    pred: Tensor  # B L p*p*C, the decoder's output in patch order
    mask: Tensor  # B L, True = hidden
    images: Tensor  # B C H W, the visible patches as they are and the hidden ones as predicted


@MODELS.register_module()
class MaskedAutoencoder(BaseModel):
    """Hides patches of images and learns to predict them.

    Args:
        backbone: :class:`MAE` or its config. Its position embedding is fixed here, as the official one is, unless it
            has ``learned_positions``.
        decoder: :class:`MAEDecoder` or its config.
        mask_ratio: the share of hidden patches, between 0 and 1.
        mask_block: side, or ``(height, width)``, in patches, of what is hidden together (Pixio, arXiv:2512.15715).
        norm_pix: predict every patch normalised by its own mean and deviation.
        data_preprocessor: config of what scales pixels and moves a batch to the device.

    Raises:
        ValueError: parts or a ratio that do not fit.
    """

    def __init__(self,
                 backbone: MAE | dict,
                 decoder: MAEDecoder | dict,
                 mask_ratio: float = 0.75,
                 norm_pix: bool = True,
                 mask_block: int | tuple[int, int] = 1,
                 data_preprocessor: dict | nn.Module | None = None,
                 init_cfg: dict | None = None):
        super().__init__(data_preprocessor=data_preprocessor, init_cfg=init_cfg)
        self.backbone = backbone if isinstance(backbone, nn.Module) else ROOT_MODELS.build(backbone)
        self.decoder = decoder if isinstance(decoder, nn.Module) else ROOT_MODELS.build(decoder)
        for part, kind in ((self.backbone, MAE), (self.decoder, MAEDecoder)):
            if not isinstance(part, kind):
                raise InputError(f"MaskedAutoencoder needs a mae_mm.{kind.__name__}, not a {type(part).__name__}")
        if self.backbone.rel_pos_bias:
            raise InputError('pre-training needs a backbone with rel_pos_bias=False')
        h, w = self.backbone.grid
        num_visible(h * w, mask_ratio)
        self.mask_ratio = mask_ratio
        self.mask_block = checked_block(mask_block, self.backbone.grid)
        self.norm_pix = norm_pix
        if not self.backbone.learned_positions:
            self.backbone.pos_embed.requires_grad_(False)
        self.decoder.connect(self.backbone)
        self.register_load_state_dict_pre_hook(refuse_other_names)

    def _save_to_state_dict(self, destination, prefix, keep_vars):
        super()._save_to_state_dict(destination, prefix, keep_vars)
        if hasattr(destination, '_metadata'):
            destination._metadata[prefix[:-1]].update(norm_pix=self.norm_pix)

    def forward(self, inputs: Tensor, data_samples: list | None = None, mode: str = 'tensor') -> Any:
        """mmengine's entry: ``mode`` is ``'loss'``, ``'predict'`` (held-out losses) or ``'tensor'`` (maps)."""
        if mode == 'loss':
            return self.loss(inputs, data_samples)
        if mode == 'predict' and data_samples is not None:
            return self.predict(inputs, data_samples)
        return self.backbone(inputs)

    def loss(self, inputs: Tensor, data_samples: list | None = None, *,
             ids_shuffle: Tensor | None = None) -> dict[str, Tensor]:
        """The mean squared error over the pixels of the hidden patches.

        Args:
            inputs: ``(B, C, H, W)``.
            ids_shuffle: ``(B, L)`` orders of the patches, the visible ones first; drawn if not given.
        """
        return {'loss': self._patch_losses(inputs, *self._mask(inputs, ids_shuffle)).mean()}

    def _patch_losses(self, images: Tensor, ids_shuffle: Tensor, num_keep: int) -> Tensor:
        """``(B, number of hidden patches)``: encode, decode, compare. Nothing is drawn, so that it compiles."""
        latent = self.backbone.encode(images, ids_shuffle[:, :num_keep])
        grid = self.backbone.grid_of(*images.shape[2:])
        pred = self.decoder(latent, ids_shuffle, grid, wanted=slice(self.backbone.num_prefix_tokens + num_keep, None))
        target = take_patches(images, ids_shuffle[:, num_keep:], self.backbone.patch_size).float()
        if self.norm_pix:
            mean, std = patch_statistics(target)
            target = (target - mean) / std
        return (pred.float() - target).square().mean(dim=-1)

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
        losses = self._patch_losses(inputs, *self._mask(inputs, orders.to(inputs.device))).mean(dim=1)
        for sample, loss in zip(data_samples, losses.tolist(), strict=True):
            sample.reconstruction_loss = loss
        return data_samples

    @torch.no_grad()
    def reconstruct(self, inputs: Tensor, *, ids_shuffle: Tensor | None = None,
                    num_keep: int | None = None) -> Reconstruction:
        """Predict all patches of ``(B, C, H, W)`` images from ``num_keep`` (by ``mask_ratio``); see :meth:`loss`.

        With ``norm_pix`` the pictures get each patch's own mean and deviation back, which nothing has predicted.
        """
        ids_shuffle, usual = self._mask(inputs, ids_shuffle)
        num_keep = usual if num_keep is None else num_keep
        grid = self.backbone.grid_of(*inputs.shape[2:])
        latent = self.backbone.encode(inputs, ids_shuffle[:, :num_keep])
        shuffled = self.decoder(latent, ids_shuffle, grid, wanted=slice(self.backbone.num_prefix_tokens, None))
        pred = torch.take_along_dim(shuffled, ids_shuffle.argsort(dim=1)[..., None], dim=1)  # patch order
        mask = hidden_mask(ids_shuffle, num_keep)
        patches = patchify(inputs, self.backbone.patch_size)
        pixels = pred.to(patches.dtype)
        if self.norm_pix:
            mean, std = patch_statistics(patches)
            pixels = pixels * std + mean
        merged = torch.where(mask[..., None], pixels, patches)
        return Reconstruction(pred, mask, unpatchify(merged, self.backbone.patch_size, grid))
