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
class SegPreprocessor(SegDataPreProcessor):
    """mmseg's, whose images go to a card while the host goes on; it waits for a list of their channels."""

    _channel_conversion: bool

    def __init__(self, **kwargs: Any):
        super().__init__(**kwargs)
        self.to_rgb = self._channel_conversion
        self._channel_conversion, self._non_blocking = False, True

    def cast_data(self, data: Any) -> Any:
        """What :meth:`forward` does first: mmengine's, and the channels turned."""
        data = super().cast_data(data)
        if self.to_rgb and isinstance(data, dict) and 'inputs' in data:
            data = dict(data, inputs=[image.flip(0) if len(image) == 3 else image for image in data['inputs']])
        return data


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
