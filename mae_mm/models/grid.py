"""Weights that belong to a grid of patches: they tell it when saved, and follow it when loaded."""
import logging
from typing import Any

import torch
from mmengine.logging import MMLogger, print_log
from mmengine.model import BaseModule
from torch import Tensor, nn

from ..checkpoint.grids import decide_grid
from ..errors import InputError, listed
from . import position
from .position import Grid

BIAS_TABLE = 'attn.relative_position_bias_table'


class QuietlyInitialised:
    """What a module of mmengine tells of its initialisation, lines of each parameter: to a run's log file alone."""

    def _dump_init_info(self) -> None:
        if any(isinstance(handler, logging.FileHandler) for handler in MMLogger.get_current_instance().handlers):
            super()._dump_init_info()  # type: ignore[misc]


class OnGrid(QuietlyInitialised, BaseModule):
    """A module with a ``pos_embed``, and perhaps relative position bias tables, for the patches of its ``grid``."""
    grid: Grid
    pos_embed: nn.Parameter  # 1 T+h*w C: registers have no positions
    layers: nn.ModuleList
    num_cls_tokens = 1
    num_registers = 0
    pos_resize = 'plain'  # one of position.RESIZING: that of the weights

    def __init__(self, init_cfg: dict | None = None):
        super().__init__(init_cfg=init_cfg)
        pretrained = isinstance(init_cfg, dict) and init_cfg.get('type') == 'Pretrained'
        # Weights that are asked for and not here yet.
        self.awaited: Any = init_cfg['checkpoint'] if pretrained and init_cfg else None
        self.register_load_state_dict_pre_hook(refuse_other_names)
        self.register_load_state_dict_pre_hook(fit_to_grid)

    @property
    def num_prefix_tokens(self) -> int:
        """How many tokens come before the patches: class tokens, then registers."""
        return self.num_cls_tokens + self.num_registers

    def positions(self, grid: Grid) -> Tensor:
        """``(1, P + h*w, C)``: what is added to all tokens of a grid, zeros to registers."""
        table = position.resize_pos_embed(self.pos_embed, self.grid, grid, self.num_cls_tokens, self.pos_resize)
        if not self.num_registers:
            return table
        cls, patches = table.tensor_split([self.num_cls_tokens], dim=1)
        return torch.cat([cls, cls.new_zeros(1, self.num_registers, cls.shape[2]), patches], dim=1)

    def _save_to_state_dict(self, destination, prefix, keep_vars):
        super()._save_to_state_dict(destination, prefix, keep_vars)
        if hasattr(destination, '_metadata'):  # weights tell none of these
            layer: Any = self.layers[0]
            destination._metadata[prefix[:-1]].update(grid=self.grid, num_heads=layer.attn.num_heads,
                                                      norm_eps=layer.ln1.eps, pos_resize=self.pos_resize)


def initialise_linear(module: nn.Module) -> None:
    """The official initialisation of every linear layer in a module (facebookresearch/mae, ``_init_weights``)."""
    for part in module.modules():
        if isinstance(part, nn.Linear):
            nn.init.xavier_uniform_(part.weight)
            nn.init.zeros_(part.bias)


def tell_random_weights(module: OnGrid) -> None:
    """Say, once, that a module computes before it has the weights that its ``init_cfg`` asks for."""
    if module.awaited:
        print_log(f'{type(module).__name__} computes with random weights: its init_cfg asks for {module.awaited}, '
                  'which init_weights() loads', logger='current', level=logging.WARNING)
        module.awaited = None


def refuse_other_names(module: nn.Module, state_dict: dict[str, Tensor], prefix: str, *_: Any) -> None:
    """State-dict pre-hook of whole models.

    Raises:
        ValueError: names of which none is the module's, where ``strict=False`` would load nothing in silence.
    """
    if not prefix and state_dict and set(state_dict).isdisjoint(module.state_dict()):
        raise InputError(f'{type(module).__name__}.load_state_dict: none of its weights is among '
                         f'{listed(state_dict)}; mae_mm.checkpoint.load_weights(path) reads any known file')


def fit_to_grid(module: OnGrid, state_dict: dict[str, Tensor], prefix: str, local_metadata: dict, *_: Any) -> None:
    """State-dict pre-hook: resize a checkpoint's positions and bias tables to the module's grid.

    Layer norms get the ``eps`` that the checkpoint tells, and positions its way of resizing, without which they
    compute something else.
    ``relative_position_index``, which mmseg's files carry, is dropped: it follows from the grid.
    """
    own = [key for key in state_dict if key.startswith(prefix)]
    module.awaited = None if own else module.awaited
    for key in [key for key in state_dict if key.startswith(prefix) and key.endswith('relative_position_index')]:
        del state_dict[key]
    if own and isinstance(local_metadata.get('norm_eps'), float):
        for part in module.modules():
            if isinstance(part, nn.LayerNorm):
                part.eps = local_metadata['norm_eps']
    if own:
        module.pos_resize = local_metadata.get('pos_resize', module.pos_resize)
    positions = state_dict.get(f'{prefix}pos_embed')
    if positions is None or positions.dim() != module.pos_embed.dim():  # the latter is told by torch
        return
    tables = [key for key in state_dict if key.startswith(prefix) and key.endswith(BIAS_TABLE)]
    rows = {len(state_dict[key]) for key in tables}
    told = local_metadata.get('grid')
    if told is None and positions.shape == module.pos_embed.shape and rows <= {position.bias_table_rows(module.grid)}:
        return
    T = module.num_cls_tokens
    source = decide_grid(positions.shape[1] - T, rows, told, module.grid)
    state_dict[f'{prefix}pos_embed'] = position.resize_pos_embed(positions, source, module.grid, T, module.pos_resize)
    for key in tables:
        state_dict[key] = position.resize_bias_table(state_dict[key], source, module.grid,
                                                     local_metadata.get('bias_resize', 'bicubic'))
