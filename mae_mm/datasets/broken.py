"""Images that cannot be read, replaced in training."""
import logging
from typing import Any

import torch
from mmengine.dataset import BaseDataset
from mmengine.logging import print_log

from ..errors import InputError


class Replacing(BaseDataset):
    """What to do with an image that cannot be read: a data set's, whose other parent is one of the hosts'.

    Args:
        on_broken: ``'stop'``, or ``'replace'``: name it once, and train on another image in its place.
        max_broken: the share of the images that may be replaced.

    Raises:
        ValueError: a broken image, or with ``'replace'`` more of them than ``max_broken`` allows.
    """

    def __init__(self, *args: Any, on_broken: str = 'stop', max_broken: float = 0.01, **kwargs: Any):
        if on_broken not in ('stop', 'replace'):
            raise InputError(f"on_broken={on_broken!r} is neither 'stop' nor 'replace'")
        if not 0 <= max_broken <= 1:
            raise InputError(f'max_broken={max_broken} is not a share from 0 to 1')
        self.on_broken, self.max_broken = on_broken, max_broken
        super().__init__(*args, **kwargs)

    def full_init(self) -> None:
        super().full_init()
        if self.on_broken == 'replace':  # one for all workers of a process
            self.broken = torch.zeros(len(self), dtype=torch.bool).share_memory_()

    def prepare_data(self, idx: int) -> Any:
        """The sample; None for one that is replaced, and mmengine draws another."""
        try:
            return super().prepare_data(idx)
        except InputError as error:
            if self.on_broken == 'stop':
                raise
            self._count(int(idx), error)
            return None

    def _count(self, number: int, error: InputError) -> None:
        if self.broken[number]:
            return
        self.broken[number] = True
        count = int(self.broken.sum())
        if count > self.max_broken * len(self):
            raise InputError(f'{error}; it is the {count}. of {len(self):,} images that cannot be used, and '
                             f'max_broken={self.max_broken} allows no more') from error
        print_log(f'{error}; others are trained on in its place (image {count} of at most '
                  f'{int(self.max_broken * len(self)):,})', logger='current', level=logging.WARNING)
