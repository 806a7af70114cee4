"""Randomness that is a function of a run's seed and of where the run is, so that resuming it is exact.

Nothing random is saved or restored. A sample's augmentation is seeded by its place in the endless sequence of
draws (the samplers here number them, the transform ``SeedSample`` seeds), a training step by its iteration
(:class:`mae_mm.engine.SeedStepHook`): a run that stops and goes on draws what one that did not stop draws, with
any number of workers.
"""
import itertools
import random
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from mmengine.dataset import DefaultSampler, InfiniteSampler

from ..errors import InputError
from ..registry import DATA_SAMPLERS


def seed_all(*key: int) -> None:
    """Seed Python's, NumPy's and PyTorch's generators, independently for every key of whole numbers."""
    words = np.random.SeedSequence(key).generate_state(4)
    random.seed(int(words[0]))
    np.random.seed(words[1])
    torch.manual_seed(int(words[2]) << 32 | int(words[3]))


class Draw(int):
    """The index of a sample, with the key that its augmentation is seeded by."""
    key: tuple[int, ...]

    def __new__(cls, index: int, key: tuple[int, ...] = ()) -> 'Draw':
        draw = super().__new__(cls, index)
        draw.key = key
        return draw


class _Order:
    """Random orders of a data set's samples, each a function of a seed.

    Args:
        window: None for orders in which each is as likely as any other. A number for samples in shards: shard after
            shard, these in random order, shuffled within so many samples. A disk then reads almost from a shard's
            beginning to its end. Windows of several shards mix them.
    """

    def __init__(self, dataset: Any, window: int | None, shuffle: bool):
        if window is not None and (not isinstance(window, int) or window < 1 or not shuffle):
            raise InputError(f'sampler.window={window} is not a whole number from 1 on' if shuffle else
                             'sampler.window is for shuffle=True')
        self.size, self.window = len(dataset), window
        if window is not None and not hasattr(dataset, 'by_shard'):
            raise InputError(f'sampler.window is for data sets in shards, and {type(dataset).__name__} is none')
        self.shards: list[np.ndarray] = dataset.by_shard() if window is not None else []

    def of(self, seed: int) -> torch.Tensor:
        generator = torch.Generator().manual_seed(seed)
        if self.window is None:
            return torch.randperm(self.size, generator=generator)
        shards = torch.randperm(len(self.shards), generator=generator)
        order = np.concatenate([self.shards[i] for i in shards])
        keys = torch.randperm(self.size, generator=generator).numpy()
        return torch.from_numpy(order[np.lexsort((keys, np.arange(self.size) // self.window))])


@DATA_SAMPLERS.register_module()
class ResumableSampler(InfiniteSampler):
    """mmengine's ``InfiniteSampler`` that can start anywhere without reading what came before.

    Sample n of all processes together is the same whatever their number. Yields :class:`Draw`.

    Args:
        window: of samples in shards, to read these almost in their order; see :class:`_Order`.
        kwargs: those of mmengine's.
    """
    start = 0  # draws of all processes together that are left out

    def __init__(self, dataset: Any, shuffle: bool = True, window: int | None = None, **kwargs: Any):
        super().__init__(dataset, shuffle, **kwargs)
        self.order = _Order(dataset, window, shuffle)

    def start_at(self, draws: int, seed: int) -> None:
        """Go on after so many draws of all processes in a run with this seed."""
        self.start, self.seed = draws, seed

    def __iter__(self) -> Iterator[int]:
        order, round_of_order = torch.arange(self.size), -1
        for number in itertools.count(self.start + self.rank, self.world_size):
            round_, place = divmod(number, self.size)
            if self.shuffle and round_ != round_of_order:
                order, round_of_order = self.order.of(self.seed + round_), round_
            yield Draw(int(order[place]), key=(self.seed, number))


@DATA_SAMPLERS.register_module()
class EpochSampler(DefaultSampler):
    """mmengine's ``DefaultSampler`` for training in epochs; every sample is a :class:`Draw`, new in each epoch.

    Args:
        window: of samples in shards, to read these almost in their order; see :class:`_Order`.
        kwargs: those of mmengine's.
    """
    start = 0  # draws of all processes together that are left out of an epoch

    def __init__(self, dataset: Any, shuffle: bool = True, window: int | None = None, **kwargs: Any):
        super().__init__(dataset, shuffle, **kwargs)
        self.order = _Order(dataset, window, shuffle)

    def _indices(self) -> Iterator[int]:
        if self.order.window is None:
            return super().__iter__()
        order = np.resize(self.order.of(self.seed + self.epoch).numpy(), self.total_size)  # filled up from its start
        return iter(order[self.rank::self.world_size].tolist())

    def __iter__(self) -> Iterator[int]:
        first = self.start // self.world_size
        for number, index in enumerate(itertools.islice(self._indices(), first, None), first):
            yield Draw(index, key=(self.seed, self.epoch, number * self.world_size + self.rank))
