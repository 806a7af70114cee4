"""Measuring frozen encoders: each image once through each encoder, and every probe on the cached features."""
import functools
import os
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mmengine.config import Config

from ..checkpoint.reading import locate
from ..config.hardware import cores_of_process
from ..config.names import resources
from ..datasets.labelled import CLASSES, LabelledSet
from ..errors import InputError
from ..evaluation import shots
from ..evaluation.cache import Entry, digest, make_room
from ..evaluation.encoding import TOKENS_AT_A_TIME, fill, shapes_of
from ..models.access import layer_places
from ..outputs import check_apart, check_writable
from ..progress import progress_of
from .encoders import FrozenEncoder
from .jobs import Job
from .measurements import Results
from .probe_pictures import draw_layers, draw_patches
from .probing import PROBES, Features

VERSION = 1  # of the protocol: results and features of another one are measured anew
CAMVID = 'configs/_base_/datasets/camvid.py'
CACHE_BYTES = 20_000_000_000
DEFAULT = ('knn', 'linear', 'dense-knn', 'dense-linear', 'rank')


@dataclass
class Timing:
    """Seconds, and images that passed an encoder."""
    total: float = 0.
    encoder: float = 0.
    images: int = 0


@dataclass
class Evaluation:
    """What is measured, and how.

    Args:
        probes: names of ``PROBES``; by default all but the attentive one.
        layers: ``'all'``, ``'last'``, or numbers from 0 on, of which negative ones count from the end.
        shots: ``'all'``, numbers of images of each class, or percentages; of scenes, of all images.
        seeds: so many, from 0 on, of whatever is drawn.
        img_size: height and width in pixels. By default those that the encoder was trained with; scenes keep their
            shape, and their short edge becomes the encoder's.
        norm: apply the encoder's last norm to the tokens of each layer.
        cache: folder of the features; by default ``cache`` in ``out``.
        cache_bytes: the most that it takes.
        num_heads: see :class:`.encoders.FrozenEncoder`.
        pictures: test images whose patches are drawn, 0 for no pictures at all.
    """
    out: str
    probes: Sequence[str] | None = None
    layers: str | Sequence[int] = 'all'
    shots: Sequence[str] = (shots.ALL, )
    seeds: int = 1
    img_size: Sequence[int] | None = None
    norm: bool = True
    cache: str | None = None
    cache_bytes: int = CACHE_BYTES
    num_heads: int | None = None
    pictures: int = 8

    def __post_init__(self) -> None:
        for probe in self.probes or ():
            if probe not in PROBES:
                raise InputError(f'--probes {probe}: there are {", ".join(PROBES)}')
        for value in self.shots:
            shots.check_shots(value)
        if self.pictures < 0:
            raise InputError(f'--pictures {self.pictures} is not a number of images')
        if self.seeds < 1:
            raise InputError(f'--seeds {self.seeds} is not a number from 1 on')
        self.cache = self.cache or os.path.join(self.out, 'cache')
        self.timing = Timing()

    def run(self, checkpoints: Sequence[str], on: Sequence[str]) -> list[dict[str, Any]]:
        """Measure; the rows of what was asked for, measured now or before. See :data:`.measurements.COLUMNS`.

        What has been measured is in ``out`` after each layer, and is not measured again.

        Args:
            checkpoints: files, folders or URLs of any known format.
            on: ``KIND:DIR``; see :class:`mae_mm.datasets.labelled.LabelledSet`.

        Raises:
            ValueError: something that cannot be used.
        """
        for source in on:
            for folder in (self.out, self.cache):
                check_apart(str(folder), source.partition(':')[2])
        for folder in (self.out, self.cache):
            check_writable(str(folder))
        for source in checkpoints:
            locate(source)
        results, rows, start = Results(self.out), [], time.perf_counter()
        camvid = Config.fromfile(resources() / CAMVID).metainfo.to_dict()
        of_bands: dict[str, list[LabelledSet]] = {}  # what differs between encoders of other bands
        stored: set[int | None] = set()  # numbers of attention heads
        for source in dict.fromkeys(checkpoints):  # before anything is computed
            encoder = FrozenEncoder(source, self.num_heads)
            stored.add(encoder.stored_heads)
            kind = digest(encoder.bands)
            if kind not in of_bands:
                of_bands[kind] = [LabelledSet(source, encoder.bands, camvid) for source in dict.fromkeys(on)]
                self._check_probes(of_bands[kind])
                names = Counter(data.name for data in of_bands[kind])
                for data in of_bands[kind]:
                    data.name = data.name if names[data.name] == 1 else data.source
            self._places(encoder)
            for data in of_bands[kind]:
                encoder.check_size(self._size(encoder, data))
                for few in self.shots:
                    shots.draw(data.groups, few, 0, data.group_names)
        if self.num_heads is not None and None not in stored and stored != {self.num_heads}:
            raise InputError(f'--num-heads {self.num_heads}: each of these checkpoints stores its own number')
        for source in dict.fromkeys(checkpoints):
            encoder = encoder if encoder.source == source else FrozenEncoder(source, self.num_heads)
            for data in of_bands[digest(encoder.bands)]:
                rows += self._measure(encoder, data, results)
        if self.pictures:
            draw_layers(rows, self.out)
        self.timing.total += time.perf_counter() - start
        return rows

    def probes_for(self, data: LabelledSet) -> list[str]:
        return [name for name in self.probes or DEFAULT if PROBES[name].labels in (None, data.labels)]

    def _check_probes(self, sets: Sequence[LabelledSet]) -> None:
        for name in self.probes or ():
            if PROBES[name].labels not in (None, *(data.labels for data in sets)):
                needs = 'class folders' if PROBES[name].labels == CLASSES else 'images with label maps'
                raise InputError(f'--probes {name} needs {needs}, and {", ".join(data.source for data in sets)} has '
                                 'no such labels')

    def _size(self, encoder: FrozenEncoder, data: LabelledSet) -> tuple[int, int]:
        """Of the images, in pixels."""
        given = tuple(self.img_size or encoder.img_size)
        if data.labels == CLASSES or len(self.img_size or ()) == 2:
            return (given[0], given[-1])
        p, (height, width) = encoder.backbone.patch_size, data.train.image(0).shape[:2]
        short, scale = min(given), min(given) / min(height, width)
        longer = max(1, round(max(height, width) * scale / p)) * p
        return (short, longer) if height <= width else (longer, short)

    def _places(self, encoder: FrozenEncoder) -> Sequence[int]:
        """The layers, from 0."""
        depth = encoder.backbone.num_layers
        named = dict(all=range(depth), last=[depth - 1])
        return named[self.layers] if isinstance(self.layers, str) else layer_places(list(self.layers), depth)

    def _measure(self, encoder: FrozenEncoder, data: LabelledSet, results: Results) -> list[dict[str, Any]]:
        """All rows of an encoder and a set."""
        size = self._size(encoder, data)
        grid = encoder.check_size(size)
        data.fit(size)
        layers = self._places(encoder)
        entries = [self._entry(encoder, part, size) for part in (data.train, data.test)]
        features = Features(data, (entries[0], entries[1]), grid, encoder.device)
        facts = [VERSION, [entry.facts for entry in entries], data.train.label_digest, data.test.label_digest]
        told = dict(weights=encoder.digest[:8], size=f'{size[0]}x{size[1]}', norm=self.norm)
        jobs = [Job(digest([*facts, name, PROBES[name].settings, layer, few]), encoder.source, told, data, name, layer,
                    few, self._seeds(name, few))
                for layer in layers for few in self.shots for name in self.probes_for(data)]
        left = [job for job in jobs if job.missing(results)]
        self._encode(encoder, data, entries, left)
        with progress_of(len(left), bool(left)) as progress:
            for i, job in enumerate(left):
                job.measure(features, results)
                progress.update()
                if i + 1 == len(left) or left[i + 1].layer != job.layer:
                    results.save()
        rows = [row for job in jobs for row in job.rows(results)]
        results.save()
        if self.pictures:
            draw_patches(encoder, data, layers[-1], self.norm, self.pictures, self.out)
        return rows

    def _seeds(self, probe: str, few: str) -> tuple[int, ...]:
        return tuple(range(self.seeds if PROBES[probe].draws or few != shots.ALL else 1))

    def _entry(self, encoder: FrozenEncoder, part: Any, size: tuple[int, int]) -> Entry:
        facts = dict(version=VERSION, weights=encoder.digest, images=part.digest, size_px=size, whole=part.whole,
                     mean=encoder.mean, std=encoder.std, bands=encoder.bands, norm=self.norm)
        return Entry(str(self.cache), facts, len(part), shapes_of(encoder.backbone, encoder.check_size(size)))

    def _encode(self, encoder: FrozenEncoder, data: LabelledSet, entries: Sequence[Entry],
                jobs: Sequence[Job]) -> None:
        """See that the cache has what some jobs read."""
        wanted = list(dict.fromkeys(column for job in jobs for column in job.columns))
        needed = sum(entry.bytes_to_write(wanted) for entry in entries)
        if needed:
            make_room(str(self.cache), needed, self.cache_bytes, [entry.folder for entry in entries])
        for entry, part in zip(entries, (data.train, data.test), strict=True):
            columns = entry.missing(wanted)
            if columns:
                h, w = encoder.check_size(part.size_px)
                batches = functools.partial(
                    part.batches, batch=max(1, TOKENS_AT_A_TIME // (h * w)),
                    workers=0 if encoder.device.type == 'cpu' else cores_of_process('none'))
                images, seconds = fill(entry, columns, encoder.backbone, batches, encoder.prepare, self.norm)
                self.timing.images += images
                self.timing.encoder += seconds
