"""Relative position biases that tests use again, within a bound."""
from collections import OrderedDict
from typing import Any

import torch
from torch import Tensor

from .attention import BiasTable, mixed_dtype
from .position import Grid, relative_position_bias

LIMIT_BYTES = 2**30  # 1 GiB; ViT-B's twelve layers at 512 x 512 take 605 MB in float32
SHARE = 16  # of a card's memory, one part if that is more


class BiasCache:
    """The biases of all layers, spread over the pairs of tokens, of the grids that were used last.

    A grid whose biases would not fit is not kept: a bias table is returned, and attention spreads it by parts.
    """

    def __init__(self, num_layers: int, num_prefix: int = 1, limit_bytes: int | None = None):
        self.num_layers, self.num_prefix = num_layers, num_prefix
        self.limit_bytes = limit_bytes
        self.grids: OrderedDict[Grid, dict[int, tuple[Any, Tensor]]] = OrderedDict()

    def bias(self, layer: int, table: Tensor, source: Grid, grid: Grid) -> Tensor | BiasTable:
        """The bias of a layer whose ``(R, K)`` table belongs to ``source``: ``(1, K, N, N)``, or the table.

        A table that was changed in place since is noticed; one that was replaced through ``.data`` needs
        :meth:`clear`.
        """
        dtype = mixed_dtype(table)
        state = table._version, table.device, dtype
        kept = self.grids.get(grid, {}).get(layer)
        if kept is not None and kept[0] == state:
            self.grids.move_to_end(grid)
            return kept[1]
        bias = relative_position_bias(table, source, grid, self.num_prefix)
        if self.num_layers * bias.pairs.numel() * table.shape[1] * dtype.itemsize > self._limit_bytes(table.device):
            return bias
        spread = bias.spread(dtype)
        self.grids.setdefault(grid, {})[layer] = state, spread
        self.grids.move_to_end(grid)
        while self.num_bytes() > self._limit_bytes(table.device):
            self.grids.popitem(last=False)
        return spread

    def _limit_bytes(self, device: torch.device) -> int:
        if self.limit_bytes is None:
            return LIMIT_BYTES if device.type != 'cuda' else max(
                LIMIT_BYTES, torch.cuda.get_device_properties(device).total_memory // SHARE)
        return self.limit_bytes

    def num_bytes(self) -> int:
        return sum(bias.nbytes for layers in self.grids.values() for _, bias in layers.values())

    def clear(self) -> None:
        self.grids.clear()
