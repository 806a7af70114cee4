"""Folders of images and label maps: which file belongs to which, in each layout that a folder may have."""
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ..errors import InputError, listed
from .files import check_file, files_in, none_there
from .reading import IMAGE_SUFFIXES
from .shards import shards_at
from .splitting import held_out

LABEL_FOLDERS = ('labels', 'annotations', 'masks')  # the first that is there
SPLITS = {'train': ('train', 'training'), 'val': ('val', 'validation'), 'test': ('test', 'testing')}
LABEL_SUFFIXES = ('.png', '.tif', '.tiff', '.bmp', '.npy')
LOSSY_SUFFIXES = ('.jpg', '.jpeg', '.webp')


class Pair(NamedTuple):
    """An image, its label map, and the name that both have in their folders, without a suffix."""
    stem: str
    image: str
    label: str


class Pairs(NamedTuple):
    """The pairs of a split, where the layout has them, and label maps that have no image."""
    pairs: list[Pair]
    where: str
    lonely: list[str]


@dataclass(frozen=True)
class PairedFolder:
    """Where the images and label maps of a folder are; the settings of :class:`mae_mm.datasets.SegmentationFolder`."""
    data_root: str
    held_out: float = 0.2
    ann_file: str = ''
    data_prefix: Mapping[str, str] = field(default_factory=dict)
    img_suffix: str | None = None
    seg_map_suffix: str | None = None

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> 'PairedFolder':
        """Those of a data set's settings that say where its files are."""
        known = {key: settings[key] for key in cls.__dataclass_fields__ if key in settings}
        return cls(**{**known, 'data_prefix': settings.get('data_prefix') or {}})

    def pairs(self, split: str) -> Pairs:
        """The pairs of a split, sorted.

        Raises:
            ValueError: an unknown split, a folder or a list that is missing or empty, an image without a label map,
                two files of one name, or a label map in a format that changes its values.
        """
        if split not in SPLITS:
            raise InputError(f'split={split!r} is none of {", ".join(SPLITS)}')
        images, labels = self._folders()
        if self.ann_file:
            return self._listed(os.path.join(self.data_root, self.ann_file), images, labels)
        listing = self._list_of(split)
        if listing:
            return self._listed(listing, images, labels)
        if all(_split_folder(images, name) for name in ('train', 'val')):
            images, labels = (_existing_split(folder, split) for folder in (images, labels))
            return self._matched(images, labels)
        if split == 'test':
            raise InputError(f"split='test' needs {images}/test or {self.data_root}/test.txt; neither is there")
        return self._held_out(split, self._matched(images, labels))

    def _folders(self) -> tuple[str, str]:
        """The folders of all images and of all label maps."""
        if shards_at(self.data_root) is not None:
            raise InputError(f'{self.data_root}: segmentation reads no shards; give a folder of images and label maps')
        if not os.path.isdir(self.data_root):
            raise InputError(f'{self.data_root}: no such folder; say where the images and labels are with '
                             '--cfg-options data_root=DIR')
        images = os.path.join(self.data_root, self.data_prefix.get('img_path', 'images'))
        if 'seg_map_path' in self.data_prefix:
            labels = os.path.join(self.data_root, self.data_prefix['seg_map_path'])
        else:
            found = [os.path.join(self.data_root, name) for name in LABEL_FOLDERS]
            labels = next(filter(os.path.isdir, found), found[0])
        for folder, what in ((images, 'images'), (labels, 'label maps')):
            if not os.path.isdir(folder):
                raise InputError(f'{folder}: no such folder, for the {what}; the layouts are {self.data_root}/'
                                 '{images,labels} and the same with {train,val} in both')
        return images, labels

    def _list_of(self, split: str) -> str | None:
        """``SPLIT.txt`` in the folder, if train.txt and val.txt are there."""
        paths = {name: os.path.join(self.data_root, f'{name}.txt') for name in SPLITS}
        there = {name: os.path.lexists(path) for name, path in paths.items()}
        if not there['train'] and not there['val']:
            return None
        if not there['train'] or not there['val'] or not there[split]:
            missing = next(paths[name] for name in ('train', 'val', split) if not there[name])
            raise InputError(f'{missing} is missing, and other lists of names are in its folder: add it, or rename '
                             'them')
        both = set(_names(paths['train'])) & set(_names(paths['val']))
        if both:
            raise InputError(f'{self.data_root}: train.txt and val.txt both list {listed(sorted(both))}')
        return paths[split]

    def _listed(self, path: str, images: str, labels: str) -> Pairs:
        found = self._stems(images), self._stems(labels, of_labels=True)
        stems = {os.path.relpath(path, images): stem for stem, path in found[0].items()}
        names = _names(path)
        missing = [name for name in names if name not in stems and name not in found[0]]
        if missing:
            raise InputError(f'{path}: {listed(missing)} is not an image in {images}')
        chosen = {stem: found[0][stem] for stem in (stems.get(name, name) for name in names)}
        return Pairs(_joined(chosen, found[1], labels), path, [])

    def _matched(self, images: str, labels: str) -> Pairs:
        found = self._stems(images), self._stems(labels, of_labels=True)
        lonely = sorted(path for stem, path in found[1].items() if stem not in found[0])
        return Pairs(_joined(*found, labels), images, lonely)

    def _held_out(self, split: str, everything: Pairs) -> Pairs:
        pairs = everything.pairs
        if len(pairs) < 2:
            raise InputError(f'{everything.where}: one image, and two or more are needed: one to train on and one '
                             'held out')
        chosen = held_out([pair.stem for pair in pairs], self.held_out)
        if not chosen:  # held_out=0: all are trained on, and tested on
            return everything
        pairs = [pair for pair in pairs if (pair.stem in chosen) == (split == 'val')]
        return Pairs(pairs, f'{everything.where}, {"held out" if split == "val" else "the others are held out"}',
                     everything.lonely if split == 'train' else [])

    def _suffixes(self, of_labels: bool) -> tuple[str, ...]:
        suffix = self.seg_map_suffix if of_labels else self.img_suffix
        return (suffix.lower(), ) if suffix else LABEL_SUFFIXES if of_labels else IMAGE_SUFFIXES

    def _stems(self, folder: str, of_labels: bool = False) -> dict[str, str]:
        suffixes = self._suffixes(of_labels)
        found = stems_in(folder, suffixes)
        if not found:
            lossy = stems_in(folder, LOSSY_SUFFIXES) if of_labels else {}
            if lossy:
                raise _lossy(next(iter(lossy.values())))
            raise none_there(folder, suffixes, 'label maps' if of_labels else 'images')
        return found


def stems_in(folder: str, suffixes: Sequence[str], any_case: bool = True) -> dict[str, str]:
    """``{path in the folder without its suffix: path}`` of the files with one of some suffixes; hidden ones are none.

    Args:
        any_case: the suffixes, which are of small letters, are those of names in any case.

    Raises:
        ValueError: two files that differ in their suffix alone.
    """
    found: dict[str, str] = {}
    for name in files_in(folder):
        suffix = _suffix(name.lower() if any_case else name, suffixes)
        if suffix is None:
            continue
        path = os.path.join(folder, name)
        other = found.setdefault(name[:-len(suffix)], path)
        if other != path:
            raise InputError(f'{min(path, other)} and {max(path, other)} have one name: which is meant? Keep one of '
                             'them')
    return dict(sorted(found.items()))


def _split_folder(folder: str, split: str) -> str | None:
    """The folder of a split in a folder, under one of its names."""
    return next((path for name in SPLITS[split] if os.path.isdir(path := os.path.join(folder, name))), None)


def _existing_split(folder: str, split: str) -> str:
    path = _split_folder(folder, split)
    if path is None:
        raise InputError(f'{folder}/{split}: no such folder; images and label maps have the same splits')
    return path


def _names(path: str) -> list[str]:
    """The lines of a list.

    Raises:
        ValueError: a list that is missing, empty, or no text.
    """
    check_file(path, 'a list of names')
    try:
        with open(path, encoding='utf-8-sig') as file:
            names = [line.strip().replace('\\', '/') for line in file if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f'{path} cannot be read as a list of names: {error}') from None
    if not names:
        raise InputError(f'{path}: no names there; it has a line for each image')
    return names


def _suffix(name: str, suffixes: Iterable[str]) -> str | None:
    return max((suffix for suffix in suffixes if name.endswith(suffix)), key=len, default=None)


def _joined(images: Mapping[str, str], labels: Mapping[str, str], label_folder: str) -> list[Pair]:
    without = [stem for stem in images if stem not in labels]
    if without:
        lossy = stems_in(label_folder, LOSSY_SUFFIXES)
        for stem in without:
            if stem in lossy:
                raise _lossy(lossy[stem])
        raise InputError(f'{label_folder}: no label map for {len(without)} of {len(images)} images, such as '
                         f'{images[without[0]]}; a label map has the name of its image, and one of '
                         f'{", ".join(LABEL_SUFFIXES)}')
    return [Pair(stem, path, labels[stem]) for stem, path in images.items()]


def _lossy(path: str) -> InputError:
    return InputError(f'{path}: {os.path.splitext(path)[1]} does not keep the values of labels; save them as PNG')
