"""Predictions as files: label maps, pictures, probabilities, a table and JSON."""
import csv
import io
import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from ..checkpoint.writing import AtomicBackend
from ..errors import InputError
from ..outputs import check_names
from ..visualization import (
    best_classes,
    captioned,
    label_png,
    overlay,
    picture_options,
    read_rgb,
    with_legend,
    write_rgb,
)
from .inputs import Source
from .models import Model, Prediction
from .report import as_json

TABLE, REPORT = 'predictions.csv', 'predictions.json'
LABELS, PICTURES, PROBABILITIES = 'labels', 'pictures', 'probabilities'


class PredictionFiles:
    """A folder of predictions.

    ``labels/NAME.png`` are a segmentor's label maps, indexed and with the classes' colours; ``pictures/NAME.png`` are
    to look at; ``probabilities/NAME.npz`` are those of all classes of each pixel, float16, if asked for;
    ``predictions.csv`` and ``predictions.json`` have all images. Names keep the folders that the images are in.

    Args:
        opacity: of the classes' colours over the image.
        topk: classes that are named of an image, likeliest first.

    Raises:
        ValueError: an opacity or a number of classes that cannot be, or two images that would get one name.
    """

    def __init__(self, model: Model, sources: Sequence[Source], out_dir: str, opacity: float = 0.5, topk: int = 3):
        if not 0 <= opacity <= 1:
            raise InputError(f'--opacity {opacity} is not from 0 to 1')
        if topk < 1:
            raise InputError(f'--topk {topk} is not a number from 1 on')
        check_names((str(source.path), os.path.splitext(source.name)[0]) for source in sources)
        self.model, self.out_dir, self.opacity, self.topk = model, out_dir, opacity, topk
        self.rows: list[dict[str, Any]] = []

    def add(self, source: Source, prediction: Prediction) -> None:
        """Write what an image has of its own."""
        name = os.path.splitext(source.name)[0]
        row: dict[str, Any] = dict(path=source.path)
        image = read_rgb(str(source.path), **picture_options(self.model.cfg))
        picture = self._path(PICTURES, f'{name}.png')
        if prediction.label_map is None:
            best = best_classes(torch.from_numpy(prediction.scores), self.model.classes or (), self.topk)
            row.update(prediction=prediction.name, probability=round(float(prediction.score or 0), 6),
                       best=[dict(name=class_name, probability=round(value, 6)) for class_name, value in best])
            write_rgb(captioned(image, [f'{100 * value:.1f} % {class_name}' for class_name, value in best]), picture)
        else:
            row.update(label_map=os.path.join(LABELS, f'{name}.png'), shares=self._shares(prediction.label_map))
            palette: Any = self.model.palette
            AtomicBackend().put(label_png(prediction.label_map, palette), self._path(LABELS, f'{name}.png'))
            painted = overlay(image, prediction.label_map, palette, self.opacity)
            colours = dict(zip(row['shares'], palette.tolist(), strict=False))
            write_rgb(with_legend(painted, row['shares'], colours), picture)
        if prediction.probabilities is not None:
            buffer = io.BytesIO()
            np.savez_compressed(buffer, probabilities=prediction.probabilities.astype(np.float16))
            AtomicBackend().put(buffer.getvalue(), self._path(PROBABILITIES, f'{name}.npz'))
        self.rows.append(row)

    def _path(self, *parts: str) -> str:
        return os.path.join(self.out_dir, *parts)

    def _shares(self, label_map: np.ndarray) -> dict[str, float]:
        """Class -> its share of the pixels."""
        classes = self.model.classes or ()
        counts = np.bincount(label_map.ravel(), minlength=len(classes))
        return {name: round(float(count) / label_map.size, 6) for name, count in zip(classes, counts, strict=False)}

    def close(self, broken: dict[str, str]) -> None:
        """Write the table and the JSON, with the images that could not be read."""
        text = io.StringIO()
        table = csv.writer(text, lineterminator='\n')
        if self.model.segments:
            table.writerow(('path', 'label_map', *(self.model.classes or ())))
            table.writerows((row['path'], row['label_map'], *row['shares'].values()) for row in self.rows)
        else:
            table.writerow(('path', 'prediction', 'probability'))
            table.writerows((row['path'], row['prediction'], row['probability']) for row in self.rows)
        AtomicBackend().put(text.getvalue().encode(errors='surrogateescape'), self._path(TABLE))
        report = dict(checkpoint=self.model.source, classes=list(self.model.classes or ()), images=self.rows,
                      not_read=broken)
        AtomicBackend().put(as_json(report).encode(), self._path(REPORT))
