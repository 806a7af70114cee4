"""What people have: paths, folders, pictures and arrays, as a list of images."""
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image, ImageOps
from torch import Tensor

from ..datasets.files import check_file, none_there
from ..datasets.reading import IMAGE_SUFFIXES
from ..datasets.scans import each_name
from ..datasets.shards import bytes_at, is_folder_of_images, is_in_shards, shards_at
from ..errors import InputError
from ..outputs import check_apart


class Source(NamedTuple):
    """An image: a file, or an array of RGB, and the name for what is made of it."""
    path: str | None
    name: str
    array: np.ndarray | None = None  # H W C, the bands in order


def images_in(sources: Sequence[str]) -> Iterator[tuple[str, str]]:
    """``(path, name for what is made of it)`` of each image of some files and folders, on the disk or in shards.

    Raises:
        ValueError: one that is not there, or a folder without images.
    """
    for source in sources:
        if is_folder_of_images(source):
            names = sorted(name for name in each_name(source) if name.lower().endswith(IMAGE_SUFFIXES))
            if not names:
                raise none_there(source, IMAGE_SUFFIXES)
            yield from ((os.path.join(source, name), name) for name in names)
        elif is_in_shards(source):
            yield source, os.path.basename(source)
        elif os.path.lexists(source):
            check_file(source, 'an image')
            yield source, os.path.basename(source)
        else:
            raise InputError(f'{source or "an empty name"}: no such image or folder')


def check_outside_shards(path: str, sources: Iterable[str]) -> None:
    """See that nothing is written into shards: a folder there would hide the images of that folder.

    Raises:
        ValueError: with the shards that some of the ``sources`` are in.
    """
    for found in filter(None, map(shards_at, sources)):
        check_apart(path, found[0].folder)


def sources_of(images: Any) -> list[Source]:
    """A path, a folder, a PIL image, an array, a tensor, or a list of such, as images.

    Arrays are ``(H, W)``, ``(H, W, C)`` or ``(B, H, W, C)``, tensors ``(C, H, W)`` or ``(B, C, H, W)``; three channels
    are RGB of 0 to 255.

    Raises:
        ValueError: what is none of these, or is not there.
    """
    if isinstance(images, Source):
        return [images]
    if isinstance(images, (str, Path)):
        return [Source(path, name) for path, name in images_in([os.fspath(images)])]
    if isinstance(images, (list, tuple)):
        if not images:
            raise InputError('there are no images: the list is empty')
        found = [source for image in images for source in sources_of(image)]
        return [source if source.path else source._replace(name=f'{i}') for i, source in enumerate(found)]
    if isinstance(images, Image.Image):
        images = np.asarray(_as_read(images))
    elif isinstance(images, Tensor):
        if images.dim() not in (3, 4):
            raise InputError(f'a tensor of shape {tuple(images.shape)}: images are (C, H, W) or (B, C, H, W)')
        images = images.detach().cpu().float().movedim(-3, -1).numpy()
    if not isinstance(images, np.ndarray):
        raise InputError(f'{type(images).__name__}: an image is a path, a folder, a PIL image, an array or a tensor')
    if images.ndim not in (2, 3, 4) or images.dtype.kind not in 'uif' or not images.size:
        raise InputError(f'an array of shape {images.shape} and type {images.dtype}: images are (H, W), (H, W, C) or '
                         '(B, H, W, C) numbers')
    arrays = images if images.ndim == 4 else images[None]
    return [Source(None, f'{i}', array if array.ndim == 3 else array[..., None]) for i, array in enumerate(arrays)]


def _as_read(image: Any) -> Any:
    """A PIL image as files are read: turned as its EXIF tag says, without opacity; deeper values as they are."""
    image = ImageOps.exif_transpose(image)
    return image if image.mode in ('L', 'RGB', 'F') or image.mode.startswith('I') else image.convert('RGB')


def results_of(source: Source, place: int, bands: bool) -> dict[str, Any]:
    """What a pipeline starts from: OpenCV's order of colours, or the bands as they are.

    Raises:
        ValueError: an array of other channels than RGB or grey, for a model without statistics of bands.
    """
    if source.array is None:
        content = bytes_at(str(source.path))
        stored = {} if content is None else dict(img_bytes=content)
        return dict(img_path=source.path, sample_idx=place, **stored)
    array = source.array
    if not bands:
        low, high = array.min(), array.max()
        if array.shape[2] not in (1, 3):
            raise InputError(f'image {source.name}: {array.shape[2]} channels, and the model is for RGB')
        if not 0 <= low <= high <= 255 or array.dtype.kind == 'f' and 0 < high <= 1:
            raise InputError(f'image {source.name}: values of {low:g} to {high:g}, and RGB is 0 to 255 (of 0 to 1: '
                             'multiply by 255)')
        array = np.ascontiguousarray(np.broadcast_to(array, (*array.shape[:2], 3))[..., ::-1])
        array = array if array.dtype == np.uint8 else array.round().astype(np.uint8)
    return dict(img=array, img_path=source.path, sample_idx=place)


def note(error: InputError, source: Source, broken: dict[str, str] | None) -> None:
    """Keep what is wrong with an image, or raise it, with its name."""
    name, text = source.path or source.name, str(error)
    text = text if name in text else f'{name}: {text}'
    if broken is None:
        raise InputError(text) from error
    broken[name] = text
