"""Sizes of images and of their label maps, by their headers."""
from collections.abc import Sequence
from typing import Any

from PIL import Image

from ..errors import InputError
from .reading import size_in_header

SIZES_COMPARED = 1000  # pairs of a folder, before a run; the others are compared when they are read
_EXIF_ORIENTATION = 274  # 5 to 8: a quarter turn


def check_sizes(pairs: Sequence[tuple[str, str]]) -> None:
    """Compare the sizes of images and their label maps, by their headers, for so many that it takes a moment.

    Raises:
        ValueError: sizes that differ.
    """
    for image, label in spread(pairs, SIZES_COMPARED):
        sizes = shown_size(image), shown_size(label)
        if sizes[0] != sizes[1] and all(map(any, sizes)):
            raise sizes_differ(label, sizes[1], sizes[0])


def spread(items: Sequence[Any], at_most: int) -> Sequence[Any]:
    """All of some items, or about so many of them, evenly spread."""
    return items[::max(1, -(-len(items) // at_most))]


def sizes_differ(label: str, size: Sequence[int], of_image: Sequence[int]) -> InputError:
    return InputError(f'{label}: {size[0]}x{size[1]} labels of an image of {of_image[0]}x{of_image[1]} pixels (height '
                      'x width); both must have one size')


def shown_size(path: str) -> tuple[int, int]:
    """``(height, width)`` by the header, turned as a decoder turns a photograph; zeros if unknown."""
    height, width = size_in_header(path)
    if height and path.lower().endswith(('.jpg', '.jpeg')):
        with Image.open(path) as image:
            if image.getexif().get(_EXIF_ORIENTATION, 1) >= 5:
                return width, height
    return height, width
