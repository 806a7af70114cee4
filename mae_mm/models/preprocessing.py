"""Data preprocessors for images of any number of bands, in the order of the files."""
from collections.abc import Sequence
from typing import Any

import torch
from mmpretrain.models.utils import ClsDataPreprocessor
from mmseg.models.data_preprocessor import SegDataPreProcessor

from ..registry import MODELS


class OfBands:
    """What tells these from preprocessors of RGB images, which come as OpenCV reads them."""
    mean: torch.Tensor
    std: torch.Tensor


@MODELS.register_module()
class BandsPreprocessor(OfBands, ClsDataPreprocessor):
    """mmpretrain's, which takes any number of bands."""


@MODELS.register_module()
class BandsSegPreprocessor(OfBands, SegDataPreProcessor):
    """mmseg's, which refuses ``mean`` and ``std`` of other than one or three bands.

    Args:
        mean: of each band.
        std: deviation of each band.
    """

    def __init__(self, *, mean: Sequence[float], std: Sequence[float], **kwargs: Any):
        super().__init__(**kwargs)
        self._enable_normalize = True
        for name, values in (('mean', mean), ('std', std)):
            self.register_buffer(name, torch.tensor(values).view(-1, 1, 1), persistent=False)
