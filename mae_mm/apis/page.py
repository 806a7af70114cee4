"""What a page in a browser asks of models: pictures and texts of one image. Nothing here knows of the page."""
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import cv2
import numpy as np

from ..datasets.files import check_file
from ..datasets.reading import size_in_header
from ..errors import InputError
from ..models import MaskedAutoencoder
from ..visualization import overlay, read_rgb
from ..visualization.attention import heat
from ..visualization.bands import picture_options
from ..visualization.features import pca_colours
from .models import Model
from .reconstructing import as_seen

SECONDS = 60.  # that one request may take
LEAST_PX = 256  # shorter side of a picture that is shown; smaller ones are enlarged
MOST_PIXELS = 4096 * 4096  # of an image; a larger one would keep all others waiting
MOST_SEEN = 2048 * 2048  # of what a model sees, where it does not scale images down
MOST_PATCHES = 4096  # whose attention is N x N: 1 GB for 16 heads
PAINTED = 'painted'  # a kind of mask beside those of :mod:`.masks`
SAME = .03  # of an image's side: what two models see may begin and end so far apart, by whole pixels of a small one


class Page:
    """Models by name, and what is shown of an image; methods raise ``ValueError`` with one line for the reader.

    Args:
        seconds: that what is called within :meth:`limited` may take.
    """

    def __init__(self, models: Mapping[str, Model], seconds: float = SECONDS):
        self.models, self.seconds = dict(models), seconds

    @contextmanager
    def limited(self) -> Iterator[None]:
        """Let no model compute for longer than the limit: past it, the next of its modules to begin raises.

        Raises:
            ValueError: the time is over.
        """
        deadline = time.monotonic() + self.seconds

        def check(*_: Any) -> None:
            if time.monotonic() > deadline:
                raise InputError(f'this was stopped after {self.seconds:g} s; a smaller image takes less time, and '
                                 '`mae-mm demo --seconds` allows more')

        with ExitStack() as hooks:
            for model in self.models.values():
                for module in model.model.modules():
                    hooks.enter_context(module.register_forward_pre_hook(check))
            yield

    def num_layers(self, name: str) -> int:
        return self.models[name].model.backbone.num_layers

    def mask_ratio(self, name: str) -> float:
        model = self.models[name].model
        return model.mask_ratio if isinstance(model, MaskedAutoencoder) else .75

    def view(self, name: str, path: str | None) -> np.ndarray:
        """``(H, W, 3)``: what a model sees of an image, enlarged if it is small, as are all pictures here."""
        return _enlarged(self._seen(name, _checked(path)))

    def _seen(self, name: str, path: str, most_patches: int | None = None) -> np.ndarray:
        view, backbone = self.models[name].views(path, progress=False)[0], self.models[name].model.backbone
        h, w = view.shape[:2]
        if h * w > MOST_SEEN or most_patches and h * w > most_patches * backbone.patch_size**2:
            raise InputError(f'the model sees {h}x{w} pixels of it, more than the page takes here; scale it down')
        return view

    def reconstruction(self, name: str, path: str | None, kind: str, mask_ratio: float, seed: float,
                       statistics: str, painted: np.ndarray | None = None, like: str | None = None
                       ) -> tuple[np.ndarray, ...]:
        """What is visible, what the model makes of all patches, and the same with the visible ones.

        Args:
            kind: of the mask; for ``'painted'`` it is ``painted``, RGBA over the view, white where hidden.
            like: another model whose view it is, and whose mask has to be the same.
        """
        checked = _checked(path)
        options: dict[str, Any] = dict(seed=int(seed or 0), statistics=statistics, progress=False)
        if kind != PAINTED:
            options.update(mask=kind, mask_ratio=mask_ratio)
        elif painted is None or not painted.any():
            raise InputError('nothing is painted yet: paint over the image what is to be hidden')
        else:
            seen = self._seen(name, checked)
            options['mask'] = cv2.resize(painted, (seen.shape[1], len(seen)), interpolation=cv2.INTER_AREA)
        if like not in (None, name):
            self._check_mask(name, like, checked, kind)
        result, = self.models[name].reconstruct(checked, **options)
        return _enlarged(result.visible), _enlarged(result.predicted), _enlarged(result.reconstruction)

    def segmentation(self, name: str, path: str | None, opacity: float
                     ) -> tuple[np.ndarray, list[tuple[str, str, float]]]:
        """The image under the classes' colours, and ``(class, '#rrggbb', percent)`` of each, the largest first."""
        model = self.models[name]
        checked = _checked(path)
        self._seen(name, checked)
        result, = model.predict(checked, progress=False)
        if result.label_map is None:
            raise InputError(f'{name} classifies whole images, and this is for segmentors: it says {result.name}, '
                             f'{100 * (result.score or 0):.1f} %')
        palette: Any = model.palette
        picture = overlay(read_rgb(checked, **picture_options(model.cfg)), result.label_map, palette, opacity)
        shares = np.bincount(result.label_map.ravel(), minlength=len(palette)) / result.label_map.size
        rows = [(name, '#{:02x}{:02x}{:02x}'.format(*colour), round(100 * float(share), 1))
                for name, colour, share in zip(model.classes or (), palette.tolist(), shares, strict=False) if share]
        return _enlarged(picture), sorted(rows, key=lambda row: -row[2])

    def features(self, name: str, path: str | None, layer: float) -> np.ndarray:
        """Three principal components of the patches' features as colours."""
        checked = _checked(path)
        view = _enlarged(self._seen(name, checked, MOST_PATCHES))
        maps = self.models[name].features(checked, self._layer(name, layer), 'maps', progress=False)
        (colours, ), _ = pca_colours(list(maps))
        return _as_large_as(colours, view)

    def attention(self, name: str, path: str | None, layer: float, place: tuple[int, int] | None = None,
                  like: str | None = None) -> np.ndarray:
        """What the patch at a place takes of each patch, in the mean of the heads.

        Args:
            place: ``(x, y)`` in pixels of the view; None for the class token.
            like: another model whose view it is.
        """
        checked, backbone = _checked(path), self.models[name].model.backbone
        seen = self._seen(name, checked, MOST_PATCHES)
        view, (h, w) = _enlarged(seen), backbone.grid_of(*seen.shape[:2])
        clicked = view
        if place is not None and like not in (None, name):
            self._check_part(name, like, checked)
            clicked = self.view(like, checked)
        weights, = self.models[name].attention(checked, self._layer(name, layer), progress=False)
        row, column = (0, 0) if place is None else (
            min(place[1] * h // len(clicked), h - 1), min(place[0] * w // clicked.shape[1], w - 1))
        query = 0 if place is None else backbone.num_prefix_tokens + row * w + column
        taken = weights[:, query, backbone.num_prefix_tokens:].mean(dim=0).view(h, w).numpy()
        picture = _as_large_as(heat(taken), view)
        if place is not None:
            first = column * view.shape[1] // w, row * len(view) // h
            last = (column + 1) * view.shape[1] // w - 1, (row + 1) * len(view) // h - 1
            cv2.rectangle(picture, first, last, (255, 255, 255), 1)
        return picture

    def _layer(self, name: str, layer: float) -> int:
        last = self.num_layers(name) - 1
        if layer > last:
            raise InputError(f'{name} has no layer {int(layer)}: its last one is {last}')
        return int(layer)

    def _check_mask(self, name: str, like: str, path: str, kind: str) -> None:
        """Raises ``ValueError`` if two models cannot have one mask."""
        models = [self.models[key].model for key in (name, like)]
        if kind == PAINTED:
            return self._check_part(name, like, path)
        if not all(isinstance(model, MaskedAutoencoder) for model in models):
            return  # one of them has no masks, and says so in its place
        self._check_part(name, like, path)
        (h, w), other = (model.backbone.grid_of(*self._seen(key, path).shape[:2])
                         for key, model in zip((name, like), models, strict=True))
        if (h, w) != other:
            raise InputError(f'{name} has {h}x{w} patches here, and {like} has {other[0]}x{other[1]}: only a mask '
                             'that is painted is the same for both')
        if kind == 'random' and models[0].mask_block != models[1].mask_block:
            raise InputError(f'{name} and {like} were trained with other blocks of hidden patches; choose another '
                             'kind of mask')

    def _check_part(self, name: str, like: str, path: str) -> None:
        """Raises ``ValueError`` if two models do not see the same part of an image."""
        if np.abs(self._part(name, path) - self._part(like, path)).max() > SAME:
            raise InputError(f'{name} sees another part of the image than {like}, where masks and places are not the '
                             'same')

    def _part(self, name: str, path: str) -> np.ndarray:
        """``(2, 2)``: where what a model sees begins and ends, down and across, as shares of the image's sides."""
        size, ends = size_in_header(path), []
        for axis in (0, 1):
            ramp = (np.arange(size[axis], dtype=np.float32) + .5) / size[axis]
            across = np.broadcast_to(ramp[:, None] if axis == 0 else ramp, size)
            seen = as_seen(self.models[name], across).mean(dim=1 - axis).numpy()
            half = (seen[-1] - seen[0]) / max(len(seen) - 1, 1) / 2  # of a pixel
            ends.append((seen[0] - half, seen[-1] + half))
        return np.array(ends)


def _enlarged(picture: np.ndarray) -> np.ndarray:
    scale = max(1, -(-LEAST_PX // min(picture.shape[:2])))
    return np.repeat(np.repeat(picture, scale, axis=0), scale, axis=1)


def _as_large_as(picture: np.ndarray, view: np.ndarray) -> np.ndarray:
    return cv2.resize(picture, (view.shape[1], len(view)), interpolation=cv2.INTER_NEAREST)


def _checked(path: str | None) -> str:
    if not path:
        raise InputError('there is no image yet: drop one at the left, or choose an example')
    check_file(path, 'an image')
    height, width = size_in_header(path)
    if height * width > MOST_PIXELS:
        raise InputError(f'{height}x{width} pixels are more than the {MOST_PIXELS:,} that the page takes; the '
                         'commands take them')
    return path
