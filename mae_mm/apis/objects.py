"""The objects in images, as a model with a mask head finds them."""
from typing import Any

import torch.nn.functional as F
from torch import Tensor

from ..errors import InputError
from ..models import MaskHead
from ..models.heads.segments import Instances, Panoptic, instances, panoptic
from .inputs import sources_of
from .models import Model


def find_objects(model: Model, images: Any, kind: str = 'instances', batch_size: int = 16, progress: bool = True,
                 **options: Any) -> list[Instances] | list[Panoptic]:
    """Of each image its objects: masks, classes and scores, or a map of them.

    Images go through the model as a whole, whatever ``test_cfg.mode`` says: objects of windows are parts of objects.
    A model that was trained on label maps alone knows one object for each class of an image.

    Args:
        model: what :func:`mae_mm.load` returns.
        images: see :meth:`.Model.predict`.
        kind: ``'instances'`` or ``'panoptic'``.
        options: those of :func:`.segments.instances` and :func:`.segments.panoptic`.

    Raises:
        ValueError: a model without a mask head, or images that cannot be used.
    """
    segmentor: Any = model.model
    head = getattr(segmentor, 'decode_head', None)
    if not isinstance(head, MaskHead) or segmentor.untrained:
        raise InputError(f'{model.source} has no trained mae_mm.MaskHead, and only that finds objects')
    kinds: dict[str, Any] = dict(instances=instances, panoptic=panoptic)
    if kind not in kinds:
        raise InputError(f'kind={kind!r} is none of {", ".join(kinds)}')
    patch = segmentor.backbone.patch_size

    def step(batch: dict) -> list:
        batch = segmentor.data_preprocessor(batch, False)
        inputs: Tensor = batch['inputs']
        inputs = F.pad(inputs, (0, -inputs.shape[3] % patch, 0, -inputs.shape[2] % patch))
        masks, scores = head.predict_queries(segmentor.extract_feat(inputs))
        masks = F.interpolate(masks.float(), inputs.shape[2:], mode='bilinear', align_corners=False)
        found = []
        for mask, score, sample in zip(masks, scores, batch['data_samples'], strict=True):
            height, width = sample.img_shape[:2]
            found.append(kinds[kind](mask[:, :height, :width], score, tuple(sample.ori_shape[:2]), **options))
        return found

    return [found for _, found in model._each(sources_of(images), step, batch_size, None, progress)]
