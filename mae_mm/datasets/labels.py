"""Label maps: what is read from their files, and the transform that reads them."""
from collections.abc import Sequence
from typing import Any

import numpy as np
from mmcv.transforms import BaseTransform
from PIL import Image

from ..errors import InputError
from ..registry import TRANSFORMS
from .files import check_file
from .sizes import shown_size, sizes_differ

IGNORED = 255  # in memory, whatever it is in the files: the hosts' crops, paddings, losses and metrics take it so
_INDEX_MODES = ('1', 'L', 'P', 'I', 'I;16', 'I;16B', 'I;16L', 'I;16N')  # Pillow's
_WITH_ALPHA = ('LA', 'PA', 'RGBA')
_SCALED = {'L;2': 85, 'L;4': 17}  # grey of 2 and 4 bits, which Pillow stretches to 8
_PHOTOMETRIC, _WHITE_IS_ZERO = 262, 0  # of a TIFF whose values Pillow inverts

Ignore = int | Sequence[int]


def read_label(path: str) -> np.ndarray:
    """What a label map's file holds: ``(H, W)`` integers as they are stored, or ``(H, W, 3)`` bytes of an RGB mask.

    A palette image gives its indices, not its colours; one bit gives 0 and 1.

    Raises:
        ValueError: a file that cannot be decoded, or that holds neither integers nor RGB.
    """
    check_file(path, 'a label map')
    if path.lower().endswith('.npy'):
        return _read_npy(path)
    limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None  # its size has been compared with the image's
    try:
        with Image.open(path) as image:
            _refuse_unknown(path, image)
            factor = _SCALED.get(_stored_as(image), 1)
            mode, values = image.mode, np.asarray(image)
    except InputError:
        raise
    except (OSError, ValueError, SyntaxError) as error:
        raise InputError(f'{path} cannot be read as a label map; mend it or remove it') from error
    finally:
        Image.MAX_IMAGE_PIXELS = limit
    if mode in _WITH_ALPHA:
        if (values[..., -1] != 255).any():
            raise InputError(f'{path}: a label map that is transparent in places; save it without transparency')
        values = values[..., :-1].squeeze(-1) if mode != 'RGBA' else values[..., :3]
    return values.astype(np.uint8) if mode == '1' else values // factor if factor > 1 else values


def _read_npy(path: str) -> np.ndarray:
    try:
        values = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError, MemoryError, OverflowError) as error:
        raise InputError(f'{path} cannot be read as a label map; mend it or remove it') from error
    colours = values.ndim == 3 and values.shape[2] == 3 and values.dtype == np.uint8
    if not colours and (values.ndim != 2 or values.dtype.kind not in 'iub'):
        raise InputError(f'{path}: an array of shape {values.shape} and type {values.dtype}; a label map is (height, '
                         'width) integers')
    return values.astype(np.uint8) if values.dtype == bool else values


def check_kind(path: str) -> None:
    """Refuse, by its header, a file that :func:`read_label` refuses for its kind."""
    check_file(path, 'a label map')
    if path.lower().endswith('.npy'):
        return
    try:
        with Image.open(path) as image:
            _refuse_unknown(path, image)
    except InputError:
        raise
    except (OSError, ValueError, SyntaxError) as error:
        raise InputError(f'{path} cannot be read as a label map; mend it or remove it') from error


def _stored_as(image: Any) -> str:
    """Pillow's name for how the file holds its values."""
    how = image.tile[0].args if image.tile else image.mode
    return str(how if isinstance(how, str) else how[0] if how else image.mode)


def _refuse_unknown(path: str, image: Any) -> None:
    wide = _stored_as(image).partition(';')
    if image.mode not in (*_INDEX_MODES, *_WITH_ALPHA, 'RGB') or wide[0] in ('RGB', 'RGBA', 'LA') and '16' in wide[2]:
        kind = 'floating-point numbers' if image.mode == 'F' else f'the kind {_stored_as(image)}'
        raise InputError(f'{path}: a label map of {kind}; save it as a PNG of 8 or 16 bits, or as an RGB PNG of 8')
    if getattr(image, 'n_frames', 1) > 1:
        raise InputError(f'{path}: {image.n_frames} pages in one file; a label map has one')
    if getattr(image, 'tag_v2', {}).get(_PHOTOMETRIC) == _WHITE_IS_ZERO:
        raise InputError(f'{path}: a TIFF in which 0 is white; save it as one in which 0 is black, or as a PNG')


def to_classes(path: str, values: np.ndarray, palette: Sequence[Sequence[int]] | None = None,
               ignore_index: Ignore = IGNORED, reduce_zero_label: bool = False) -> np.ndarray:
    """Classes of what a file holds: ``(H, W)``, of which :data:`IGNORED` is none; bytes if they suffice.

    Args:
        values: of :func:`read_label`.
        palette: colours of the classes, for RGB masks.
        ignore_index: the value, or for RGB masks the colour, that is ignored.
        reduce_zero_label: 0 (in RGB masks black, if it is not a class) is ignored, and 1 is class 0.

    Raises:
        ValueError: a colour that is not a class, or a value that can be none.
    """
    if values.ndim == 3:
        return _classes_of_colours(path, values, palette, ignore_index, reduce_zero_label)
    if ignore_index == IGNORED and not reduce_zero_label and values.dtype == np.uint8:
        return values.copy()
    ignored = values == (ignore_index if isinstance(ignore_index, int) else IGNORED)
    classes = values.astype(np.int64)
    if reduce_zero_label:
        ignored |= values == 0
        classes -= 1
    if ((classes == IGNORED) & ~ignored).any():
        raise InputError(f'{path}: label {IGNORED + reduce_zero_label} is not a class, and not ignored: '
                         f'ignore_index={ignore_index}')
    classes[ignored] = IGNORED
    return classes.astype(np.uint8) if 0 <= classes.min() and classes.max() <= 255 else classes


def _classes_of_colours(path: str, colours: np.ndarray, palette: Sequence[Sequence[int]] | None,
                        ignore_index: Ignore, reduce_zero_label: bool) -> np.ndarray:
    if palette is None:
        raise InputError(f'{path}: an RGB mask, and nothing says which colour is which class; classes.txt needs a '
                         f'line "name r g b" for each class ({_colours_in(colours)})')
    table = {_code(colour): number for number, colour in enumerate(palette)}
    if reduce_zero_label:
        table.setdefault(0, IGNORED)
    if not isinstance(ignore_index, int):
        table[_code(ignore_index)] = IGNORED
    known = np.array(sorted(table))
    codes = colours.astype(np.int64) @ np.array([1 << 16, 1 << 8, 1])
    place = np.searchsorted(known, codes).clip(max=len(known) - 1)
    wrong = known[place] != codes
    if wrong.any():
        row, column = np.argwhere(wrong)[0]
        raise InputError(f'{path}: colour {_text(colours[row, column])} at row {row}, column {column} is not a class; '
                         f'the colours are {", ".join(map(_text, palette[:3]))}{", ..." if len(palette) > 3 else ""} '
                         '(classes.txt), and ignore_index may be one')
    return np.array([table[code] for code in known], dtype=np.uint8)[place]


def _code(colour: Sequence[int]) -> int:
    return int(colour[0]) << 16 | int(colour[1]) << 8 | int(colour[2])


def _text(colour: Any) -> str:
    return ' '.join(str(int(value)) for value in colour)


def _colours_in(colours: np.ndarray) -> str:
    found = np.unique(colours.reshape(-1, 3), axis=0)
    return f'it has {", ".join(map(_text, found[:5]))}{", ..." if len(found) > 5 else ""}'


@TRANSFORMS.register_module()
class LoadAnnotations(BaseTransform):
    """mmseg's ``LoadAnnotations`` for more kinds of files: see :func:`read_label` and :func:`to_classes`.

    It reads ``seg_map_path``, and writes ``gt_seg_map`` ``(H, W)`` and its name into ``seg_fields``; an image without
    a label map stays as it is. ``reduce_zero_label``, ``ignore_index``, ``label_palette`` and ``label_map`` of the
    results say what the values mean. The name is the one that the hosts look for in a pipeline: configs write
    ``dict(type='LoadAnnotations', _scope_='mae_mm')``.

    Raises:
        ValueError: with the file.
    """

    def transform(self, results: dict) -> dict:
        path = results.get('seg_map_path')
        if path is None:
            return results
        size = results.get('ori_shape')
        of_file = shown_size(path)
        if size is not None and any(of_file) and of_file != tuple(size[:2]):  # before it is decoded
            raise sizes_differ(path, of_file, size)
        labels = to_classes(path, read_label(path), results.get('label_palette'),
                            results.get('ignore_index', IGNORED), results.get('reduce_zero_label', False))
        if size is not None and labels.shape != tuple(size[:2]):
            raise sizes_differ(path, labels.shape, size)
        if results.get('label_map'):
            before = labels.copy()
            for old, new in results['label_map'].items():
                labels[before == old] = new
        results['gt_seg_map'] = labels
        results.setdefault('seg_fields', []).append('gt_seg_map')
        return results
