"""Randomness that is a function of a run's seed and of where the run is, so that resuming it is exact.

Nothing random is saved or restored. A sample's augmentation is seeded by its place in the endless sequence of
draws (the samplers here number them, the transform ``SeedSample`` seeds), a training step by its iteration
(:class:`mae_mm.engine.SeedStepHook`): a run that stops and goes on draws what one that did not stop draws, with
any number of workers.
"""
import itertools
import math
import random
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import torch
from mmengine.dataset import DefaultSampler, InfiniteSampler

from ..errors import InputError
from ..registry import DATA_SAMPLERS

MASK = 2**64 - 1


def seed_all(*key: int) -> None:
    """Seed Python's, NumPy's and PyTorch's generators on the CPU, independently for every key of whole numbers.

    ``torch.manual_seed`` takes 0.2 ms in a data loader's worker: it records a stack for each kind of accelerator.
    """
    seed = mixed(key)
    random.seed(seed)
    np.random.seed(seed & MASK >> 32)
    torch.default_generator.manual_seed(seed)


def mixed(key: Iterable[int]) -> int:
    """64 bits, each of which depends on every number of a key: SplitMix64, a fifth of the time of ``SeedSequence``."""
    seed = 0
    for number in key:
        seed = seed + number + 0x9E3779B97F4A7C15 & MASK
        seed = (seed ^ seed >> 30) * 0xBF58476D1CE4E5B9 & MASK
        seed = (seed ^ seed >> 27) * 0x94D049BB133111EB & MASK
        seed ^= seed >> 31
    return seed


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
            raise InputError(f'sampler.window is for data sets in shards, and {type(dataset).__name__} is not one')
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
        num_views: so many draws of one image follow each other, so that it is decoded once for them
            (:class:`.LoadCrop`). An epoch has as many draws whatever this is: it goes through one image in
            ``num_views``, and so many epochs together through all of them.
        window: of samples in shards, to read these almost in their order; see :class:`_Order`.
        kwargs: those of mmengine's.

    Raises:
        ValueError: ``num_views`` is not a whole number from 1 on.
    """
    start = 0  # draws of all processes together that are left out of an epoch

    def __init__(self, dataset: Any, shuffle: bool = True, num_views: int = 1, window: int | None = None,
                 **kwargs: Any):
        if not isinstance(num_views, int) or num_views < 1:
            raise InputError(f'num_views={num_views} is not a whole number from 1 on')
        super().__init__(dataset, shuffle, **kwargs)
        self.order = _Order(dataset, window, shuffle)
        self.num_views = num_views
        self.images = math.ceil(len(dataset) / num_views)  # of an epoch
        if num_views > 1:
            self.num_samples = math.ceil(self.images / self.world_size) * num_views
            self.total_size = self.num_samples * self.world_size

    def __iter__(self) -> Iterator[int]:
        images = self._images_of_epoch()
        for number in range(self.start // self.world_size, len(images) * self.num_views):
            image, view = divmod(number, self.num_views)
            place = (image * self.world_size + self.rank) * self.num_views + view
            yield Draw(int(images[image]), key=(self.seed, self.epoch, place))

    def _images_of_epoch(self) -> torch.Tensor:
        """Of this process. ``num_views`` epochs share an order of all images; each process has as many, some twice."""
        round_, part = divmod(self.epoch, self.num_views)
        order = torch.arange(len(self.dataset))
        if self.shuffle:
            order = self.order.of(self.seed + round_)
        order = _repeated(order, self.images * self.num_views)[part * self.images:(part + 1) * self.images]
        return _repeated(order, self.total_size // self.num_views)[self.rank::self.world_size]


def _repeated(values: torch.Tensor, length: int) -> torch.Tensor:
    return values.repeat(math.ceil(length / len(values)))[:length]
