"""The probes by name: what each reads of the cached features, and what it measures, in percent."""
import functools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..datasets.labelled import CLASSES, SCENES, LabelledSet
from ..evaluation import attentive, dense, linear, neighbours, shots, spectrum
from ..evaluation.cache import Entry
from ..evaluation.encoding import POOLED, POOLINGS, column_of

NEIGHBOURS = (10, 20, 100, 200)
PATCHES = 'patches'
BANK = 20_000  # patches whose classes are known, of dense k-NN
MOST_NUMBERS = 2**27  # in the patches that a dense linear probe is trained on: 512 MB
Found = dict[tuple[str, str], float]  # (pooling, metric) -> figure


class Features:
    """The cached features of a labelled set by an encoder, and the labels.

    Args:
        entries: of the training images and of the test images.
    """

    def __init__(self, data: LabelledSet, entries: tuple[Entry, Entry], grid: tuple[int, int], device: torch.device):
        self.data, self.entries, self.grid, self.device = data, entries, grid, device
        self.num_classes = len(data.classes)

    @functools.cached_property
    def labels(self) -> tuple[Tensor, Tensor]:
        return self.data.train.labels().to(self.device), self.data.test.labels().to(self.device)

    @functools.cached_property
    def shares(self) -> Tensor:
        """``(N, P, K)`` half floats, of the training scenes' patches."""
        maps = (self.data.train.label_map(i) for i in range(len(self.data.train)))
        return torch.from_numpy(np.stack([
            dense.patch_shares(labels, self.grid, self.num_classes).astype(np.float16) for labels in maps]))

    def shares_at(self, places: Tensor) -> Tensor:
        """``(n, K)``, at the places of :meth:`flat`."""
        return self.shares.flatten(0, 1)[places].to(self.device).float()

    @functools.cached_property
    def test_maps(self) -> list[np.ndarray]:
        return [self.data.test.label_map(i) for i in range(len(self.data.test))]

    def pooled(self, part: int, layer: int, pooling: str, chosen: Tensor | slice = slice(None)) -> Tensor:
        """``(N, C)`` of the training images, 0, or of the test images, 1."""
        rows = self.entries[part].read(POOLED)[:, layer, POOLINGS.index(pooling)]
        return torch.from_numpy(rows.astype(np.float32))[chosen].to(self.device)

    def reader(self, part: int, layer: int, chosen: Tensor | None = None) -> attentive.Read:
        """From places among those chosen to the patches of these images."""
        patches = self.entries[part].read(column_of(layer))

        def read(places: Tensor) -> Tensor:
            places = places if chosen is None else chosen[places]
            return torch.from_numpy(patches[places.numpy()]).to(self.device).float()

        return read

    def flat(self, layer: int, places: Tensor) -> Tensor:
        """``(n, C)``: patches of the training images, counted through all images, at sorted places."""
        patches = self.entries[0].read(column_of(layer))
        rows = patches.reshape(-1, patches.shape[-1])[places.numpy()]
        return torch.from_numpy(rows).to(self.device).float()


Measure = Callable[[Features, int, Tensor, int], Found]  # features, layer, chosen training images, seed


def knn(features: Features, layer: int, chosen: Tensor, seed: int) -> Found:
    counts = [count for count in NEIGHBOURS if count <= len(chosen)] or [1]
    found: Found = {}
    for pooling in POOLINGS:
        figures = neighbours.neighbours_accuracy(
            (features.pooled(0, layer, pooling, chosen), features.labels[0][chosen]),
            (features.pooled(1, layer, pooling), features.labels[1]), counts)
        found |= {(pooling, f'top1_k{count}'): 100 * figure for count, figure in zip(counts, figures, strict=True)}
    return found


def linear_probe(features: Features, layer: int, chosen: Tensor, seed: int) -> Found:
    labels = features.labels[0][chosen]
    targets = F.one_hot(labels, features.num_classes).float()
    fitting, choosing = shots.split(features.data.groups[chosen], seed)

    def score(logits: Tensor) -> Tensor:
        return (logits.argmax(dim=0) == labels[choosing]).float().mean(dim=1)

    found: Found = {}
    for pooling in POOLINGS:
        classifier = linear.fit(features.pooled(0, layer, pooling, chosen), targets, fitting, choosing, score, seed)
        right = classifier.scores(features.pooled(1, layer, pooling)).argmax(dim=1) == features.labels[1]
        found[pooling, 'top1'] = 100 * right.float().mean().item()
    return found


def attentive_probe(features: Features, layer: int, chosen: Tensor, seed: int) -> Found:
    probes = attentive.train(features.reader(0, layer, chosen), features.labels[0][chosen], features.num_classes,
                             seed=seed)
    figures = attentive.accuracies(probes, features.reader(1, layer), features.labels[1])
    return {(pooling, 'top1'): 100 * figure for pooling, figure in zip(attentive.POOLINGS, figures, strict=True)}


def _labelled_patches(features: Features, chosen: Tensor, most: int, seed: int) -> Tensor:
    """Sorted places of at most so many patches that have labels, counted through all training images."""
    labelled = features.shares[chosen].sum(dim=2) > 0  # n P
    places = (chosen[:, None] * features.shares.shape[1] + torch.arange(features.shares.shape[1]))[labelled]
    order = torch.randperm(len(places), generator=torch.Generator().manual_seed(seed))
    return places[order[:most]].sort().values


def _mean_iou(features: Features, layer: int, scores_of: Callable[[Tensor], Tensor]) -> Found:
    """At full resolution, of a function from ``(P, C)`` patches to ``(P, K)`` scores."""
    read, counts = features.reader(1, layer), []
    for i, labels in enumerate(features.test_maps):
        scores = scores_of(read(torch.tensor([i]))[0]).T.unflatten(1, features.grid).cpu()
        counts.append(dense.areas(dense.segmented(scores, labels.shape), labels, features.num_classes))
    return {(PATCHES, 'mIoU'): 100 * dense.mean_iou(counts)}


def dense_knn(features: Features, layer: int, chosen: Tensor, seed: int) -> Found:
    places = _labelled_patches(features, chosen, BANK, seed)
    bank = features.flat(layer, places)
    return _mean_iou(features, layer, functools.partial(
        neighbours.neighbours_shares, bank, features.shares_at(places)))


def dense_linear(features: Features, layer: int, chosen: Tensor, seed: int) -> Found:
    width = features.entries[0].shapes[column_of(layer)][1]
    places = _labelled_patches(features, chosen, MOST_NUMBERS // width, seed)
    shares = features.shares_at(places)
    _, choosing = shots.split(torch.zeros(len(chosen)), seed)  # whole images
    aside = torch.isin(places // features.shares.shape[1], chosen[choosing])

    def score(logits: Tensor) -> Tensor:
        return dense.soft_iou(shares[aside], logits.argmax(dim=0))

    classifier = linear.fit(features.flat(layer, places), shares, (~aside).nonzero().flatten(),
                            aside.nonzero().flatten(), score, seed)
    return _mean_iou(features, layer, classifier.scores)


def rank(features: Features, layer: int, chosen: Tensor, seed: int) -> Found:
    return {(pooling, 'effective_rank'): spectrum.effective_rank(features.pooled(0, layer, pooling, chosen))
            for pooling in POOLINGS}


class Probe(NamedTuple):
    """A probe: the labels that it needs (None for none), whether it reads patches, and whether it draws anything."""
    measure: Measure
    labels: str | None
    patches: bool
    draws: bool
    settings: Mapping[str, Any]


SWEEP = dict(rates=linear.RATES, penalties=linear.PENALTIES, unchosen=linear.UNCHOSEN, steps=linear.STEPS,
             batch=linear.BATCH, choosing=shots.CHOOSING)
PROBES = {
    'knn': Probe(knn, CLASSES, False, False, dict(temperature=neighbours.TEMPERATURE)),
    'linear': Probe(linear_probe, CLASSES, False, True, SWEEP),
    'attentive': Probe(attentive_probe, CLASSES, True, True, dict(
        queries=attentive.QUERIES, steps=attentive.STEPS, batch=attentive.BATCH, rate=attentive.RATE,
        decay=attentive.DECAY)),
    'dense-knn': Probe(dense_knn, SCENES, True, True, dict(
        bank=BANK, count=neighbours.PATCH_NEIGHBOURS, temperature=neighbours.TEMPERATURE)),
    'dense-linear': Probe(dense_linear, SCENES, True, True, dict(SWEEP, most=MOST_NUMBERS)),
    'rank': Probe(rank, None, False, False, {}),
}
