"""Resizing that refuses what would become too large."""
from typing import Any

from mmpretrain.datasets.transforms import ResizeEdge as _ResizeEdge

from ..errors import InputError
from ..registry import TRANSFORMS


@TRANSFORMS.register_module()
class ResizeEdge(_ResizeEdge):
    """mmpretrain's, which refuses what would become too large: a short edge of 256 makes 5000 x 1 pixels 328 million.

    Configs write ``dict(type='ResizeEdge', _scope_='mae_mm')``, for the hosts look for the name.

    Args:
        max_pixels: of the result.

    Raises:
        ValueError: with the file.
    """

    def __init__(self, *args: Any, max_pixels: int = 32_000_000, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.max_pixels = max_pixels

    def transform(self, results: dict) -> dict:
        height, width = results['img'].shape[:2]
        of_edge = dict(short=min(height, width), long=max(height, width), width=width, height=height)[self.edge]
        pixels = round(height * width * (self.scale / of_edge)**2)
        if pixels > self.max_pixels:
            raise InputError(f'{results.get("img_path") or "the image"}: {height}x{width} pixels would become '
                             f'{pixels:,}, with a {self.edge} edge of {self.scale}; cut the image into parts')
        return super().transform(results)
