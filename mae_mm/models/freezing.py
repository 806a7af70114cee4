"""Which parts of a backbone do not train: its first layers, or all but its last ones."""
import math
from typing import Any

from torch import Tensor, nn

from ..errors import InputError


def parts_to_freeze(backbone: Any, frozen_stages: int, trainable_layers: float | None) -> list[nn.Module | Tensor]:
    """The parts that are frozen; see :class:`MAE` for the two ways to count.

    Raises:
        ValueError: both are given, or a number of layers that the backbone does not have.
    """
    depth = len(backbone.layers)
    embeddings = [backbone.cls_token, backbone.pos_embed, backbone.patch_embed]
    if backbone.num_registers:
        embeddings.append(backbone.register_tokens)
    if trainable_layers is None:
        if not -1 <= frozen_stages <= depth:
            raise InputError(f'frozen_stages={frozen_stages} is not between -1 and {depth}, the number of layers')
        return [*embeddings, *backbone.layers[:frozen_stages]] if frozen_stages >= 0 else []
    if frozen_stages >= 0:
        raise InputError('frozen_stages counts from the first layer, trainable_layers from the last: give only one')
    if trainable_layers not in (0, .5, *range(1, depth + 1)):
        raise InputError(f'trainable_layers={trainable_layers} is not one of 0, 0.5, 1, 2, ... {depth}; '
                         'None trains all')
    # The norm after the layers is frozen too: a linear classifier has a scale and a shift of its own.
    norms = [backbone.ln1, *([backbone.fc_norm] if hasattr(backbone, 'fc_norm') else [])]
    frozen = [*embeddings, *norms, *backbone.layers[:depth - math.ceil(trainable_layers)]]
    if trainable_layers == .5:
        last = backbone.layers[-1]
        frozen += [last.ln1, last.attn] + ([] if last.gamma_1 is None else [last.gamma_1])
    return frozen
