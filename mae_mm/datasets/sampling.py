"""Randomness that is a function of a run's seed and of where the run is, so that resuming it is exact.

Nothing random is saved or restored. A sample's augmentation is seeded by its place in the endless sequence of
draws (the samplers here number them, the transform ``SeedSample`` seeds), a training step by its iteration
(:class:`mae_mm.engine.SeedStepHook`): a run that stops and goes on draws what one that did not stop draws, with
any number of workers.
"""
import itertools
import random
from collections.abc import Iterator

import numpy as np
import torch
from mmengine.dataset import DefaultSampler, InfiniteSampler

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


@DATA_SAMPLERS.register_module()
class ResumableSampler(InfiniteSampler):
    """mmengine's ``InfiniteSampler`` that can start anywhere without reading what came before.

    Sample n of all processes together is the same whatever their number. Yields :class:`Draw`.
    """
    start = 0  # draws of all processes together that are left out

    def start_at(self, draws: int, seed: int) -> None:
        """Go on after so many draws of all processes in a run with this seed."""
        self.start, self.seed = draws, seed

    def __iter__(self) -> Iterator[int]:
        order, round_of_order = torch.arange(self.size), -1
        for number in itertools.count(self.start + self.rank, self.world_size):
            round_, place = divmod(number, self.size)
            if self.shuffle and round_ != round_of_order:
                generator = torch.Generator().manual_seed(self.seed + round_)
                order, round_of_order = torch.randperm(self.size, generator=generator), round_
            yield Draw(int(order[place]), key=(self.seed, number))


@DATA_SAMPLERS.register_module()
class EpochSampler(DefaultSampler):
    """mmengine's ``DefaultSampler`` for training in epochs; every sample is a :class:`Draw`, new in each epoch."""
    start = 0  # draws of all processes together that are left out of an epoch

    def __iter__(self) -> Iterator[int]:
        first = self.start // self.world_size
        for number, index in enumerate(itertools.islice(super().__iter__(), first, None), first):
            yield Draw(index, key=(self.seed, self.epoch, number * self.world_size + self.rank))
