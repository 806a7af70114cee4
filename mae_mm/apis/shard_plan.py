"""Which image of a folder goes into which shard: a function of their names and sizes alone."""
import hashlib
import io
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from PIL import Image

from ..datasets.files import check_file, check_folder, files_in, none_there
from ..datasets.reading import DAMAGE, IMAGE_SUFFIXES, check_size, header, other_images, read_bands
from ..datasets.shard_head import FORMAT, SUFFIX
from ..datasets.shards import shards_at
from ..datasets.tiff import unreadable
from ..errors import InputError
from ..progress import progress_of, tell

SPLITS = ('train', 'val')
MAX_PIXELS = 200_000_000  # of LoadImage, by default
SHOWN_PROGRESS = 20_000  # images: to ask their sizes can take seconds
REST = 'images'  # the name of the shards of what is in no split


class Sample(NamedTuple):
    """An image: its path in the folder, its name in the tar file without a suffix, its size, its class."""
    name: str
    key: str
    size: int
    label: int | None

    @property
    def member(self) -> str:
        return self.key + os.path.splitext(self.name)[1].lower()


class Plan:
    """The shards that a folder becomes.

    Images lie in the order of a hash of their names: those of a class are spread over all shards, so that reading
    shards from their beginning to their end mixes the classes, and the order is the same on every machine.

    Args:
        source: a folder of images, flat or nested. If it has ``train`` and ``val``, each has shards of its own.
        shard_bytes: of images in a shard, at most, unless one alone has more.

    Attributes:
        shards: name of each shard -> its images in order.
        classes: the sorted folders in ``source``, or in its splits; None unless all images are in two or more.
        digest: of all that the shards' contents follow from, but for the images' bytes.

    Raises:
        ValueError: no images there, or one that is no file.
    """

    def __init__(self, source: str, shard_bytes: int):
        check_folder(source)
        if shards_at(source) is not None:
            raise InputError(f'{source} holds shards; shards are made of a folder of images')
        self.source = source
        files = sorted(files_in(source))
        names = [name for name in files if name.lower().endswith(IMAGE_SUFFIXES)]
        left_out = other_images(files)
        if left_out:
            tell(f'{source}: left out {left_out}; known are {", ".join(IMAGE_SUFFIXES)}')
        if not names:
            raise none_there(source, IMAGE_SUFFIXES)
        firsts = {name.partition(os.sep)[0] for name in names if os.sep in name}
        self._splits = SPLITS if firsts.issuperset(SPLITS) else ()
        self.classes = self._classes(names)
        self.shards = self._shards(self._samples(names), shard_bytes)
        told = [FORMAT, shard_bytes, [[sample.name, sample.size] for sample in self]]
        self.digest = hashlib.sha256(json.dumps(told).encode()).hexdigest()

    def __len__(self) -> int:
        return sum(map(len, self.shards.values()))

    def __iter__(self) -> Iterator[Sample]:
        return (sample for samples in self.shards.values() for sample in samples)

    def read(self, sample: Sample) -> bytes | InputError:
        """The bytes of an image that can be decoded, or why it cannot.

        Raises:
            ValueError: its size has changed.
        """
        path = os.path.join(self.source, sample.name)
        try:
            check_file(path, 'an image')
            told = header(path)
            bands = told.other_than_rgb
            check_size(path, told, MAX_PIXELS, bands)
            with open(path, 'rb') as file:
                data = file.read()
            if bands:
                read_bands(path, MAX_PIXELS, data)
            else:
                with Image.open(io.BytesIO(data)) as image:
                    image.draft(None, (1, 1))  # of JPEG: decoded to the end, and in an eighth of its size
                    image.load()
        except InputError as error:
            return error
        except DAMAGE:
            return unreadable(path)
        if len(data) != sample.size:
            raise InputError(f'{path} changes while shards are made of it; begin again when it does not')
        return data

    def _split(self, name: str) -> str:
        first = name.partition(os.sep)[0]
        return first if first in self._splits else REST

    def _class_of(self, name: str) -> str | None:
        """The name of an image's class, if folders are classes; None for what is beside the splits."""
        if self._splits:
            split, _, name = name.partition(os.sep)
            if split not in self._splits:
                return None
        return name.partition(os.sep)[0] if os.sep in name else ''

    def _classes(self, names: Iterable[str]) -> list[str] | None:
        found = {self._class_of(name) for name in names} - {None}
        return sorted(name for name in found if name) if '' not in found and len(found) > 1 else None

    def _samples(self, names: Sequence[str]) -> list[Sample]:
        labels = {name: label for label, name in enumerate(self.classes or ())}
        samples: list[Sample] = []
        taken: set[str] = set()
        with progress_of(len(names), shown=len(names) > SHOWN_PROGRESS) as progress:
            for name in names:
                path = os.path.join(self.source, name)
                check_file(path, 'an image')
                folder, base = os.path.split(os.path.splitext(name)[0])
                key = os.path.join(folder, base.replace('.', '_'))  # a key ends at the first dot
                while key in taken:  # as of a.jpg beside a.png
                    key += '_'
                taken.add(key)
                samples.append(Sample(name, key, os.path.getsize(path), labels.get(self._class_of(name) or '')))
                progress.update()
        return samples

    def _shards(self, samples: Iterable[Sample], shard_bytes: int) -> dict[str, list[Sample]]:
        shards: dict[str, list[Sample]] = {}
        number, room, last = 0, 0, ''
        current: list[Sample] = []
        for sample in sorted(samples, key=lambda sample: (self._split(sample.name), _place(sample.name))):
            split = self._split(sample.name)
            if split != last or sample.size > room:
                number, room = number + 1 if split == last else 0, shard_bytes
                shards[f'{split}-{number:06d}{SUFFIX}'] = current = []
            current.append(sample)
            room, last = room - sample.size, split
        return shards


def _place(name: str) -> bytes:
    return hashlib.blake2b(os.fsencode(name), digest_size=16).digest()
