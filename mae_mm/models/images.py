"""The data preprocessor of pre-training, which reads images alone."""
from typing import Any

from mmengine.model import ImgDataPreprocessor
from torch import Tensor

from ..registry import MODELS


@MODELS.register_module()
class ImagePreprocessor(ImgDataPreprocessor):
    """mmengine's, which moves images while the host goes on, and leaves data samples: to copy 512 takes 7 ms.

    Channels are turned without the list of their places, which the host would wait for.
    """
    _channel_conversion: bool

    def __init__(self, *args: Any, non_blocking: bool = True, **kwargs: Any):
        super().__init__(*args, non_blocking=non_blocking, **kwargs)
        self.to_rgb = self._channel_conversion
        self._channel_conversion = False

    def forward(self, data: dict, training: bool = False) -> dict:
        images = self.cast_data(data['inputs'])
        if self.to_rgb:
            images = images.flip(1) if isinstance(images, Tensor) else [image.flip(0) for image in images]
        images = super().forward(dict(inputs=images), training)['inputs']
        return dict(data, inputs=images, data_samples=data.get('data_samples'))
