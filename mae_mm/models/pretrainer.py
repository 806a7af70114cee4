"""Pre-training by masked autoencoding (arXiv:2111.06377).

Letters in shapes: B batch, L patches of an image, p side of a patch, C channels of the image.
"""
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ..registry import MODELS
from .decoder import MAEDecoder
from .masked import MaskedModel
from .masking import hidden_mask
from .patches import patch_statistics, patchify, take_patches, unpatchify
from .vit import MAE


class Reconstruction(NamedTuple):
    """What :meth:`MaskedAutoencoder.reconstruct` returns."""
    pred: Tensor  # B L p*p*C, the decoder's output in patch order
    mask: Tensor  # B L, True = hidden
    images: Tensor  # B C H W, the visible patches as they are and the hidden ones as predicted


@MODELS.register_module()
class MaskedAutoencoder(MaskedModel):
    """Hides patches of images and learns to predict them.

    Args:
        backbone: :class:`MAE` or its config. Its position embedding is fixed here, as the official one is, unless it
            has ``learned_positions``.
        decoder: :class:`MAEDecoder` or its config.
        mask_ratio: the share of hidden patches, between 0 and 1.
        norm_pix: predict every patch normalised by its own mean and deviation.
        data_preprocessor: config of what scales pixels and moves a batch to the device.
        mask_block: side, or ``(height, width)``, in patches, of what is hidden together (Pixio, arXiv:2512.15715).

    Raises:
        ValueError: parts or a ratio that do not fit.
    """

    def __init__(self,
                 backbone: MAE | dict,
                 decoder: MAEDecoder | dict,
                 mask_ratio: float = 0.75,
                 norm_pix: bool = True,
                 data_preprocessor: dict | nn.Module | None = None,
                 init_cfg: dict | None = None,
                 mask_block: int | tuple[int, int] = 1):
        super().__init__(backbone, mask_ratio, mask_block, data_preprocessor, init_cfg)
        self.decoder = self._built(decoder, MAEDecoder)
        self.norm_pix = norm_pix
        self.decoder.connect(self.backbone)

    def _save_to_state_dict(self, destination, prefix, keep_vars):
        super()._save_to_state_dict(destination, prefix, keep_vars)
        if hasattr(destination, '_metadata'):
            destination._metadata[prefix[:-1]].update(norm_pix=self.norm_pix)

    def _losses(self, images: Tensor, ids_shuffle: Tensor, num_keep: int) -> Tensor:
        """``(B, number of hidden patches)``, mean squared errors: encode, decode, compare."""
        latent = self.backbone.encode(images, ids_shuffle[:, :num_keep])
        grid = self.backbone.grid_of(*images.shape[2:])
        pred = self.decoder(latent, ids_shuffle, grid, wanted=slice(self.backbone.num_prefix_tokens + num_keep, None))
        target = take_patches(images, ids_shuffle[:, num_keep:], self.backbone.patch_size).float()
        if self.norm_pix:
            mean, std = patch_statistics(target)
            target = (target - mean) / std
        return (pred.float() - target).square().mean(dim=-1)

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
