"""Distillation of a frozen encoder into a smaller one that sees the visible patches alone.

Letters in shapes: B batch, P prefix tokens, n visible patches, L all patches of an image, C width of the teacher.
"""
import hashlib
import re
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..errors import InputError
from ..registry import MODELS
from .access import layer_places
from .grid import initialise_linear
from .masked import MaskedModel
from .vit import MAE


@MODELS.register_module()
class Distiller(MaskedModel):
    """Teaches an encoder what the tokens of a larger one are, without a decoder of pixels.

    The student encodes the visible patches as in pre-training (compare arXiv:2208.12256); a linear layer for each of
    the teacher's chosen layers predicts that layer's tokens, normalised each by itself, at the visible patches (and
    class tokens, if both have as many). The teacher sees the whole image. It is read-only: it is in no checkpoint, no
    optimizer and no mode but that of inference.

    Args:
        backbone: the student, :class:`MAE` or its config. Its positions are fixed unless it has ``learned_positions``.
        teacher: :class:`MAE` or its config with ``init_cfg=dict(type='Pretrained', checkpoint=...)``.
        layers: of the teacher, counted from 0 or from the end. The student's last layer learns the deepest of them,
            and the others are those at the same share of the depth.
        mask_ratio: the share of patches that the student does not see.
        data_preprocessor: config of what scales pixels and moves a batch to the device.
        mask_block: see :class:`MaskedAutoencoder`.
        cached_images: so many images' targets are kept in the host's memory, in half precision, and the teacher does
            not see an image of the same pixels again: for crops that stay as they are.

    Raises:
        ValueError: parts that do not fit each other.
    """

    def __init__(self,
                 backbone: MAE | dict,
                 teacher: MAE | dict,
                 layers: int | Sequence[int] = -1,
                 mask_ratio: float = 0.75,
                 data_preprocessor: dict | nn.Module | None = None,
                 init_cfg: dict | None = None,
                 mask_block: int | tuple[int, int] = 1,
                 cached_images: int = 0):
        super().__init__(backbone, mask_ratio, mask_block, data_preprocessor, init_cfg)
        built = self._built(teacher, MAE)
        if built.rel_pos_bias:
            raise InputError('distillation needs a teacher with rel_pos_bias=False')
        if (self.backbone.patch_size, self.backbone.in_channels) != (built.patch_size, built.in_channels):
            raise InputError(f'the student has patches of {self.backbone.patch_size} pixels and '
                             f'{self.backbone.in_channels} channels, the teacher of {built.patch_size} and '
                             f'{built.in_channels}: they must be the same')
        if type(cached_images) is not int or cached_images < 0:
            raise InputError(f'cached_images={cached_images!r} is not a whole number from 0 on')
        self.cached_images = cached_images
        self._cache: dict[bytes, Tensor] = {}  # digest of an image -> its tokens of all chosen layers
        self._teacher = [built.eval().requires_grad_(False)]  # in a list, so that it is no part of this module
        self.layers = layer_places(layers, built.num_layers)
        deepest, depth = max(self.layers) + 1, self.backbone.num_layers
        self.student_layers = [max(round((i + 1) * depth / deepest), 1) - 1 for i in self.layers]
        self.projections = nn.ModuleList([nn.Linear(self.backbone.embed_dims, built.embed_dims) for _ in self.layers])

    @property
    def teacher(self) -> MAE:
        return self._teacher[0]

    def _mask(self, images: Tensor, ids_shuffle: Tensor | None) -> tuple[Tensor, int]:
        if self.teacher.awaited:  # in a test, which loads the student alone
            self._load_teacher()
        return super()._mask(images, ids_shuffle)

    def _losses(self, images: Tensor, ids_shuffle: Tensor, num_keep: int) -> Tensor:
        """``(B, number of layers)``: mean squared errors of the teacher's tokens."""
        ids_keep = ids_shuffle[:, :num_keep]
        targets = self.targets(images, ids_keep)
        found = {i: self.backbone.ln1(tokens) for i, tokens in enumerate(
            self.backbone.visible_layers(images, ids_keep)) if i in self.student_layers}
        losses = []
        for place, target, project in zip(self.student_layers, targets, self.projections, strict=True):
            pred = project(found[place][:, -target.shape[1]:]).float()
            losses.append((pred - target).square().mean(dim=(1, 2)))
        return torch.stack(losses, dim=1)

    @torch.no_grad()
    def targets(self, images: Tensor, ids_keep: Tensor) -> list[Tensor]:
        """``(B, P + n, C)`` of each layer, or ``(B, n, C)`` if the prefixes differ: normalised tokens, float32."""
        teacher = self.teacher
        if teacher.cls_token.device != images.device:
            teacher.to(images.device)
        P = teacher.num_prefix_tokens
        rows = ids_keep + P
        if (P, teacher.num_cls_tokens) == (self.backbone.num_prefix_tokens, self.backbone.num_cls_tokens):
            rows = torch.cat([torch.arange(P, device=rows.device).expand(len(rows), -1), rows], dim=1)
        found = self._kept(images) if self.cached_images else self._computed(images)
        return [torch.take_along_dim(tokens, rows[..., None], dim=1).float() for tokens in found]

    def _computed(self, images: Tensor) -> list[Tensor]:
        """``(B, P + L, C)`` of each layer: the teacher's normalised tokens of whole images, float32."""
        found = self.teacher.layer_outputs(images, self.layers)
        return [F.layer_norm(found[i].float(), found[i].shape[-1:]) for i in self.layers]

    @torch.compiler.disable
    def _kept(self, images: Tensor) -> Sequence[Tensor]:
        """The same from memory, as far as they are there, in half precision."""
        keys = [hashlib.blake2b(image.contiguous().numpy().data, digest_size=16).digest()
                for image in images.float().cpu()]
        new = [i for i, key in enumerate(keys) if key not in self._cache]
        seen = torch.stack(self._computed(images[new]), dim=1).half().cpu() if new else ()
        found = dict(zip(new, seen, strict=True))
        for i in new[:max(0, self.cached_images - len(self._cache))]:
            self._cache[keys[i]] = found[i].clone()
        tokens = torch.stack([found[i] if i in found else self._cache[key] for i, key in enumerate(keys)], dim=1)
        return tokens.to(images.device).unbind()  # of K B P+L C

    def _load_teacher(self) -> None:
        self._cache.clear()
        try:
            self.teacher.init_weights()
        except InputError as error:  # whose advice is for settings of a backbone
            raise InputError(re.sub(r'(?<!teacher_)\barch=', 'teacher_arch=', str(error)).replace(
                'model.backbone.', 'model.teacher.')) from None

    def init_weights(self) -> None:
        initialise_linear(self.projections)
        self._load_teacher()
        super().init_weights()
