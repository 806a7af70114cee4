"""Layer-wise decay of the learning rate for any model that has a backbone."""
from collections.abc import Callable
from typing import Any

from mmpretrain.engine.optimizers import LearningRateDecayOptimWrapperConstructor
from torch import nn

from ..errors import InputError, listed
from ..registry import OPTIM_WRAPPER_CONSTRUCTORS

OF_ONE_PARAMETER = ('params', 'param_name', 'layer_id')


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class LayerDecayConstructor(LearningRateDecayOptimWrapperConstructor):
    """mmpretrain's constructor, which also serves segmentors and makes few large groups.

    mmpretrain's asks the whole model for ``get_layer_depth``, which mmseg's segmentors do not have, and makes a
    group of every parameter, which costs the optimizer a kernel launch for each. ``paramwise_cfg`` is mmpretrain's
    (``layer_decay_rate``, ``norm_decay_mult``, ``flat_decay_mult``, ``bias_decay_mult``, ``custom_keys``).
    """

    def add_params(self,
                   params: list[dict],
                   module: nn.Module,
                   prefix: str = '',
                   get_layer_depth: Callable | None = None,
                   **kwargs) -> None:
        if prefix:  # the recursion into children
            super().add_params(params, module, prefix, get_layer_depth, **kwargs)
            return
        names = [name for name, _ in module.named_parameters()]
        for key in self.paramwise_cfg.get('custom_keys', {}):
            if not any(key in name for name in names):
                raise InputError(f'optim_wrapper.paramwise_cfg.custom_keys.{key}: no parameter of the model has '
                                 f'{key!r} in its name; there are {listed(names)}')
        backbone: Any = module.backbone
        single: list[dict] = []
        super().add_params(single, module, get_layer_depth=lambda name: backbone.get_layer_depth(name, 'backbone.'))
        groups: dict[tuple, dict] = {}
        for group in single:
            key = tuple(sorted((name, value) for name, value in group.items() if name not in OF_ONE_PARAMETER))
            if key not in groups:
                groups[key] = dict(group, params=[], param_name=[])
            groups[key]['params'] += group['params']
            groups[key]['param_name'].append(group['param_name'])
        params.extend(groups.values())
