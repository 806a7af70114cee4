"""Compiling the parts of a model that compile as a whole.

mmengine compiles ``train_step``, which reads the metadata of every image and is compiled anew for each. These parts
read tensors alone: masking and the spreading of biases, which draw or are kept, stay outside.
"""
from collections.abc import Iterator
from types import MethodType
from typing import Any

import torch
from mmcv.cnn import ConvModule
from torch import nn

from ..models import MAE
from ..models.masked import MaskedModel

# Parts of the hosts' models, which are compiled as they are; a segmentor's auxiliary heads may be several.
PARTS = ('neck', 'decode_head', 'auxiliary_head')


def compile_model(model: nn.Module, **options: Any) -> None:
    """Compile a pre-trainer's, a classifier's or a segmentor's parts in place; weights keep their names.

    Args:
        options: those of ``torch.compile``.
    """
    for module, method in _methods(model):
        compiled = torch.compile(getattr(type(module), method), **options)
        setattr(module, method, MethodType(compiled, module))  # of the class: a copy of the module is not the original
    for part in model.modules():
        if isinstance(part, ConvModule):  # replaces methods as it runs; a compiled batch norm costs nothing
            part.turn_on_efficient_conv_bn_eval(False)


def _methods(model: nn.Module) -> Iterator[tuple[nn.Module, str]]:
    for part in model.modules():
        if isinstance(part, MaskedModel):
            yield part, '_losses'
        elif isinstance(part, MAE):
            yield part, '_maps'
    for name in PARTS:
        found = getattr(model, name, None)
        for head in found if isinstance(found, nn.ModuleList) else [found]:
            if head is not None:
                yield head, 'forward'
