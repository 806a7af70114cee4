"""One thing to measure: a probe on a layer, with some training images."""
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..datasets.labelled import LabelledSet
from ..evaluation import shots
from ..evaluation.encoding import POOLED, column_of
from .measurements import Results
from .probing import PROBES, Features


@dataclass(frozen=True)
class Job:
    """A probe on a layer, with so many training images, for some seeds.

    Attributes:
        key: digest of all that its figures follow from.
        checkpoint: as the user names it.
        facts: of the encoder and its images, for the rows.
    """
    key: str
    checkpoint: str
    facts: Mapping[str, Any]
    data: LabelledSet
    probe: str
    layer: int
    shots: str
    seeds: tuple[int, ...]

    @property
    def columns(self) -> list[str]:
        """What it reads of the cache."""
        return [column_of(self.layer) if PROBES[self.probe].patches else POOLED]

    def missing(self, results: Results) -> list[int]:
        """The seeds that have not been measured."""
        rows = results.measured(self.key)
        return [seed for seed in self.seeds if not rows or str(seed) not in rows[0]['values']]

    def measure(self, features: Features, results: Results) -> None:
        """Measure what is missing."""
        found: dict[tuple[str, str], dict[str, float]] = {}
        for row in results.measured(self.key):
            found[row['pooling'], row['metric']] = dict(row['values'])
        count = 0
        for seed in self.missing(results):
            chosen = shots.draw(features.data.groups, self.shots, seed, features.data.group_names)
            count = len(chosen)
            for name, figure in PROBES[self.probe].measure(features, self.layer, chosen, seed).items():
                found.setdefault(name, {})[str(seed)] = figure
        self._put(results, found, count)

    def rows(self, results: Results) -> list[dict[str, Any]]:
        """What has been measured, under the checkpoint's present name."""
        rows = results.measured(self.key)
        found = {(row['pooling'], row['metric']): row['values'] for row in rows}
        return self._put(results, found, rows[0]['train_images'])

    def _put(self, results: Results, found: dict[tuple[str, str], dict[str, float]], count: int
             ) -> list[dict[str, Any]]:
        names = dict(checkpoint=self.checkpoint, data=self.data.name, probe=self.probe, layer=self.layer,
                     shots=self.shots)
        facts = dict(self.facts, train_images=count, test_images=len(self.data.test))
        return [results.put(self.key, dict(names, pooling=pooling, metric=metric), values, **facts)
                for (pooling, metric), values in found.items()]
