"""Reading a checkpoint without running anything that it asks for."""
import argparse
import importlib
import os
import pickle
from typing import Any
from urllib.error import URLError
from urllib.parse import urlparse

import numpy as np
import torch
from mmengine.logging import HistoryBuffer
from torch.serialization import safe_globals

from ..errors import InputError


def _history_statistic(owner: Any, name: str) -> Any:
    """``getattr`` as the pickles of mmengine's checkpoints use it, and for nothing else."""
    if owner is not HistoryBuffer or name not in ('min', 'max', 'current', 'mean'):
        raise pickle.UnpicklingError(f'getattr of {name!r}')
    return getattr(HistoryBuffer, name)


def _allowed() -> list[Any]:
    """Classes beside tensors and builtin types that real training checkpoints hold."""
    core = importlib.import_module('numpy._core.multiarray' if hasattr(np, '_core') else 'numpy.core.multiarray')
    named: list[tuple[Any, str]] = [(_history_statistic, 'builtins.getattr')]
    for function in ('scalar', '_reconstruct'):
        named += [(getattr(core, function), f'{module}.multiarray.{function}')
                  for module in ('numpy._core', 'numpy.core')]
    dtypes = {type(np.dtype(kind)) for kind in '?bBhHiIlLqQefdgFD'}
    return [HistoryBuffer, np.ndarray, np.dtype, argparse.Namespace, *dtypes, *named]


def _download(url: str) -> str:
    """Fetch a URL into torch's cache, with a progress bar; a file that is there already is taken as it is."""
    path = os.path.join(torch.hub.get_dir(), 'checkpoints', os.path.basename(urlparse(url).path))
    if not os.path.isfile(path):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        try:
            torch.hub.download_url_to_file(url, path)  # into a temporary file first
        except (URLError, OSError, ValueError) as error:
            raise InputError(f'{url} could not be downloaded: {error}') from error
    return path


def read_checkpoint(source: str) -> Any:
    """What a checkpoint file holds, on the CPU.

    Args:
        source: a path, or a URL, which is downloaded once.

    Raises:
        ValueError: the file is not there, is not a checkpoint, or holds more than tensors, builtin types and the
            few classes that training checkpoints of this field do; nothing of it is run.
    """
    path = _download(source) if source.startswith(('http://', 'https://')) else os.path.expanduser(source)
    if not os.path.isfile(path):
        raise InputError(f'{path}: no such checkpoint')
    try:
        with safe_globals(_allowed()):
            return torch.load(path, map_location='cpu', weights_only=True)
    except pickle.UnpicklingError as error:
        try:
            with safe_globals(_allowed()):
                classes = torch.serialization.get_unsafe_globals_in_checkpoint(path)
        except Exception:  # noqa: BLE001 - whatever the file is, it cannot tell
            classes = []
        if not classes:
            raise InputError(f'{path} is not a checkpoint, or a damaged one') from error
        raise InputError(f'{path} was refused: it wants to run {", ".join(classes[:5])} beside loading '
                         'tensors') from error
    except (RuntimeError, EOFError, ValueError, KeyError, TypeError, AttributeError, AssertionError) as error:
        raise InputError(f'{path} is not a checkpoint, or a damaged one') from error
