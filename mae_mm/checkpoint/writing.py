"""Writing checkpoints: whole or not at all, and of tensors and builtin types only."""
import contextlib
import glob
import hashlib
import io
import json
import os
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from typing import IO, Any

import numpy as np
import torch
from mmengine.fileio import LocalBackend, register_backend
from mmengine.logging import HistoryBuffer
from torch import Tensor

from ..errors import InputError
from .download import HASH_SUFFIX
from .huggingface import CONFIG, WEIGHTS, safetensors_bytes

ATOMIC, HASHED = 'mae_mm.atomic', 'mae_mm.hashed'  # the names that a config's ``backend_args`` give
_HISTORY = 'mmengine.HistoryBuffer'
_UNFINISHED = '.unfinished'


@contextlib.contextmanager
def whole_file(path: str) -> Iterator[IO[bytes]]:
    """A file to write into, beside ``path``; then it is flushed to the disk and moved there.

    Raises:
        ValueError: the disk is full, or the folder cannot be written; what was there is kept.
    """
    unfinished = path + _UNFINISHED
    try:
        os.makedirs(os.path.dirname(path) or '.', exist_ok=True)
        with open(unfinished, 'wb') as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(unfinished, path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            os.remove(unfinished)
        if isinstance(error, OSError):
            raise InputError(f'{path} could not be written ({error.strerror}); what was there is kept') from error
        raise


class AtomicBackend(LocalBackend):
    """mmengine's local files, but a write that is cut short leaves the old file as it was."""

    def put(self, obj: bytes | memoryview, filepath: str | os.PathLike) -> None:
        """Write ``filepath`` by :func:`whole_file`."""
        with whole_file(os.fspath(filepath)) as file:
            file.write(obj)


class HashedBackend(AtomicBackend):
    """Files with their SHA-256 beside them, as ``sha256sum --check`` reads it; removed together."""

    def put(self, obj: bytes | memoryview, filepath: str | os.PathLike) -> None:
        with hashed_file(os.fspath(filepath)) as file:
            file.write(obj)

    def remove(self, filepath: str | os.PathLike) -> None:
        super().remove(filepath)
        with contextlib.suppress(FileNotFoundError):
            os.remove(os.fspath(filepath) + HASH_SUFFIX)


class _Hashing:
    """What ``torch.save`` writes into: a file, of which it keeps the hash and the first error.

    torch tells of an error in a write as one of its own, without the reason.
    """

    def __init__(self, file: IO[bytes]):
        self.file, self.hash = file, hashlib.sha256()
        self.error: OSError | None = None

    def write(self, data: bytes | memoryview) -> int:
        try:
            self.hash.update(data)
            return self.file.write(data)
        except OSError as error:
            self.error = self.error or error
            raise

    def flush(self) -> None:
        self.file.flush()


@contextlib.contextmanager
def hashed_file(path: str) -> Iterator[Any]:
    """:func:`whole_file`, and its SHA-256 beside it."""
    with contextlib.suppress(OSError):  # an old hash beside a new file would call it damaged
        os.remove(path + HASH_SUFFIX)
    with whole_file(path) as file:
        hashing = _Hashing(file)
        try:
            yield hashing
        except RuntimeError as error:
            raise hashing.error or error from None
    line = f'{hashing.hash.hexdigest()}  {os.path.basename(path)}\n'
    AtomicBackend().put(line.encode(), path + HASH_SUFFIX)


register_backend(ATOMIC, AtomicBackend, force=True)
register_backend(HASHED, HashedBackend, force=True)


def write_checkpoint(checkpoint: Any, path: str) -> None:
    """``torch.save``, or a safetensors file if ``path`` is named so; whole or not at all."""
    if path.endswith('.safetensors'):
        AtomicBackend().put(safetensors_bytes(checkpoint), path)
        return
    buffer = io.BytesIO()
    torch.save(checkpoint, buffer)
    AtomicBackend().put(buffer.getbuffer(), path)


def write_folder(weights: Mapping[str, Tensor], config: dict[str, Any], folder: str) -> None:
    """A Hugging Face folder; its config, which makes it one, comes last."""
    AtomicBackend().put(safetensors_bytes(weights), os.path.join(folder, WEIGHTS[0]))
    AtomicBackend().put(json.dumps(config, indent=2).encode(), os.path.join(folder, CONFIG))


def sweep_unfinished(folder: str) -> None:
    """Remove what writes that were cut short have left in a folder."""
    for path in glob.glob(os.path.join(glob.escape(folder), f'*{_UNFINISHED}')):
        os.remove(path)


def to_plain(value: Any) -> Any:
    """A value as tensors and builtin types, which ``torch.load(weights_only=True)`` accepts; others become text."""
    if isinstance(value, HistoryBuffer):
        log, count = value.data
        return {_HISTORY: [torch.from_numpy(np.array(log)), torch.from_numpy(np.array(count)), value.max_length]}
    if isinstance(value, np.ndarray):
        return torch.from_numpy(value.astype(value.dtype.newbyteorder('='))) if value.dtype.kind in 'biufc' else (
            to_plain(value.tolist()))
    if isinstance(value, np.generic):
        return to_plain(value.item())
    if isinstance(value, dict):
        return _mapping_type(value)((to_plain(key), to_plain(item)) for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return (tuple if isinstance(value, tuple) else list)(to_plain(item) for item in value)
    if value is None or isinstance(value, (Tensor, bool, int, float, str)) or (isinstance(value, bytes) and value):
        return value
    return str(value)  # bytes too if there are none: torch refuses how they are pickled


def from_plain(value: Any) -> Any:
    """The inverse of :func:`to_plain` for mmengine's message hub."""
    if isinstance(value, dict):
        if set(value) == {_HISTORY}:
            log, count, max_length = value[_HISTORY]
            return HistoryBuffer(log.numpy(), count.numpy(), max_length)
        return _mapping_type(value)((key, from_plain(item)) for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return type(value)(from_plain(item) for item in value)
    return value


def _mapping_type(value: dict) -> type:
    return OrderedDict if isinstance(value, OrderedDict) else dict
