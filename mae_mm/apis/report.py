"""What a test measured, as files."""
import json
import math
import os
import re
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from ..checkpoint.writing import AtomicBackend
from ..outputs import short_name
from ..visualization.classes import class_bars
from ..visualization.confusion import confusion_picture


def write_report(metrics: Mapping[str, Any], evaluators: Iterable[Any], out_dir: str, **facts: Any) -> str:
    """Write ``metrics.json``, ``classes.png`` and ``confusion.png`` into a folder; the first's path.

    Args:
        metrics: name -> figure; one that is not finite is written as null.
        evaluators: the metrics that measured them; what they know of each class is written too.
        facts: what else to write, such as the config and the checkpoint.
    """
    report: dict[str, Any] = dict(facts, metrics=dict(metrics))
    heading = short_name(str(facts.get('checkpoint', '')))
    for evaluator in evaluators:
        report['classes'] = getattr(evaluator, 'per_class', {})
        confusion = getattr(evaluator, 'confusion', None)
        if confusion is not None:
            report['confusion'] = {'rows': 'true class', 'columns': 'prediction',
                                   'classes': list(evaluator.class_names), evaluator.counted: confusion.tolist()}
            picture = confusion_picture(confusion.numpy(), evaluator.class_names, heading, evaluator.counted)
            AtomicBackend().put(picture, os.path.join(out_dir, 'confusion.png'))
        bars = class_bars(report['classes'], heading)
        if bars is not None:
            AtomicBackend().put(bars, os.path.join(out_dir, 'classes.png'))
    path = os.path.join(out_dir, 'metrics.json')
    AtomicBackend().put(as_json(report).encode(), path)
    return path


def as_json(report: Any) -> str:
    """Standard JSON (null for what is not finite), a row of numbers in a line."""
    text = json.dumps(_plain(report), indent=2, allow_nan=False)
    return re.sub(r'\[\n[\s\d,.eE+-]*\]', lambda row: f'[{" ".join(row[0][1:-1].split())}]', text)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):  # a float32 with the digits that it has
        value = float(str(value)) if isinstance(value, np.floating) else value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value
