"""The model zoo: published checkpoints by name, from ``metafile.yml``."""
import difflib
import functools
from collections.abc import Mapping
from typing import Any, NamedTuple

import yaml

from ..checkpoint.download import download, file_hash, published_hash
from ..config.names import resources
from ..errors import InputError

PRETRAINING = 'Pre-training'  # the task of an entry without results


class Published(NamedTuple):
    """A published model; nothing of it was trained or measured by this project."""
    name: str
    config: str  # name of a config of the package, without the suffix
    task: str
    dataset: str  # that it was measured on, or pre-trained on; '' if its source does not say
    metrics: Mapping[str, float]  # name -> figure, in percent; empty for pre-training
    epochs: int | None  # of pre-training
    weights: str | None  # URL
    source: str  # who published it, where

    @property
    def hash(self) -> tuple[str, str] | None:
        """Algorithm and first digits of the published hash of the weights, if there is one."""
        return published_hash(self.weights) if self.weights else None


@functools.cache
def zoo() -> tuple[Published, ...]:
    """All entries of ``metafile.yml``, in its order."""
    root = resources()
    paths = yaml.safe_load((root / 'metafile.yml').read_text(encoding='utf-8'))['Import']
    return tuple(_entry(model) for path in paths
                 for model in yaml.safe_load((root / path).read_text(encoding='utf-8'))['Models'])


def _entry(model: Mapping[str, Any]) -> Published:
    facts = model['Metadata']
    result = model.get('Results', [{}])[0]
    return Published(model['Name'], model['Config'].removeprefix('configs/').removesuffix('.py'),
                     result.get('Task', PRETRAINING), result.get('Dataset', facts.get('Training Data', '')),
                     result.get('Metrics', {}), facts.get('Epochs'), model.get('Weights'), facts['Source'])


def find_published(name: str) -> Published:
    """The entry of a name.

    Raises:
        ValueError: there is none, or it has no weights.
    """
    entries = {entry.name: entry for entry in zoo()}
    if name not in entries:
        near = difflib.get_close_matches(name, entries, n=1)
        raise InputError(f'{name}: no such model in the zoo; ' +
                         (f'is it {near[0]!r}?' if near else '`mae-mm download` lists them'))
    if entries[name].weights is None:
        raise InputError(f'{name}: its weights were not published; train it with the config {entries[name].config}')
    return entries[name]


def download_published(name: str) -> tuple[str, str]:
    """Fetch the weights of a model of the zoo, once, and check them against their published hash.

    Returns:
        The path of the file, and a line that says what was checked.

    Raises:
        ValueError: there is no such model, it cannot be fetched, or it is not the file that was published.
    """
    url = find_published(name).weights
    assert url is not None
    path, published = download(url), published_hash(url)
    if published is None:
        return path, f'no hash was published of it; its sha256 is {file_hash(path, "sha256")}'
    algorithm, digits = published
    return path, f'its {algorithm} begins with {digits}, as published'


def zoo_table() -> list[str]:
    """A line for each model that can be fetched, in columns: name, what it is, config."""
    rows = [(entry.name, described(entry), entry.config) for entry in zoo() if entry.weights]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ['  '.join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def described(entry: Published) -> str:
    """What a model is, in some words."""
    if entry.task == PRETRAINING:
        return f'pre-training, {entry.epochs} epochs' if entry.epochs else 'pre-training, with decoder'
    figures = ', '.join(f'{name} {figure:g}' for name, figure in entry.metrics.items())
    return f'{entry.dataset}: {figures}'
