"""Reading a checkpoint without running anything that it asks for."""
import argparse
import contextlib
import math
import os
import pickle
import re
import zipfile
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from mmengine.logging import HistoryBuffer
from torch import Tensor, nn
from torch.serialization import safe_globals
from torch.utils._python_dispatch import TorchDispatchMode

from ..errors import InputError, listed
from ..progress import tell_reading
from .download import HASH_SUFFIX, download, file_hash
from .huggingface import read_config, read_safetensors, weights_of_folder
from .scanning import Hostile, scan
from .shapes import strangeness

DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.uint8, torch.int8, torch.int16,
          torch.int32, torch.int64, torch.bool)
TRUST = 'if you trust whoever made it, convert it with: mae-mm convert SRC DST --trust'
# What torch raises for files that are something else, or end too soon.
DAMAGE = (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, LookupError, TypeError, AttributeError,
          AssertionError, MemoryError, OverflowError, OSError, ImportError, SystemError, zipfile.BadZipFile)


def _history_statistic(owner: Any, name: str) -> Any:
    """``getattr`` as the pickles of mmengine's checkpoints use it, and for nothing else."""
    if owner is not HistoryBuffer or name not in ('min', 'max', 'current', 'mean'):
        raise pickle.UnpicklingError(f'getattr of {name!r}')
    return getattr(HistoryBuffer, name)


def _scalar(dtype: Any, data: Any) -> Any:
    """numpy's ``scalar`` of bytes that are there; it would allocate any number of them."""
    if not isinstance(dtype, np.dtype) or dtype.hasobject or len(data) != dtype.itemsize:
        raise pickle.UnpicklingError('a scalar of another size')
    return np.frombuffer(data if isinstance(data, bytes) else data.encode('latin-1'), dtype)[0]


def _reconstruct(kind: Any, shape: Any, dtype: Any) -> np.ndarray:
    """numpy's ``_reconstruct`` as its pickles use it: of nothing, which their values are put into."""
    if kind is not np.ndarray or tuple(shape) != (0, ):
        raise pickle.UnpicklingError('an array of another size')
    return np.ndarray((0, ), np.int8)


class Bounded(TorchDispatchMode):
    """Lets no tensor be larger than its storage, which torch would enlarge, nor a new one larger than a file."""

    def __init__(self, file_size: int):
        super().__init__()
        self.file_size = file_size

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        if func is torch.ops.aten.set_.source_Storage_storage_offset:
            tensor, storage, offset, size, *strides = args
            last = sum((side - 1) * step for side, step in zip(size, strides[0] if strides else (), strict=True))
            if (offset + last + 1) * tensor.element_size() > storage.nbytes() and 0 not in size:
                raise pickle.UnpicklingError('a tensor larger than its storage')
        elif 'empty' in str(func) and math.prod(args[0]) > self.file_size:
            raise pickle.UnpicklingError('a tensor larger than the file')
        return func(*args, **kwargs or {})


def _allowed() -> list[Any]:
    """Classes beside tensors and builtin types that real training checkpoints hold."""
    named: list[tuple[Any, str]] = [(_history_statistic, 'builtins.getattr')]
    for module in ('numpy._core', 'numpy.core'):
        named += [(_scalar, f'{module}.multiarray.scalar'), (_reconstruct, f'{module}.multiarray._reconstruct')]
    dtypes = {type(np.dtype(kind)) for kind in '?bBhHiIlLqQefdgFD'}
    return [HistoryBuffer, np.ndarray, np.dtype, argparse.Namespace, *dtypes, *named]


def read_checkpoint(source: str, trust: bool = False) -> Any:
    """What a checkpoint holds, on the CPU.

    Args:
        source: a path, also of a Hugging Face folder, or a URL, which is downloaded once.
        trust: load what is refused otherwise, and run what it asks for.

    Raises:
        ValueError: the file is not there, is not a checkpoint, or holds more than tensors, builtin types and the
            few classes that training checkpoints of this field do; nothing of it is run.
    """
    path = locate(source)
    checkpoint = _read_file(path, trust)
    if not os.path.isdir(os.path.expanduser(source)) or not isinstance(checkpoint, dict):
        return checkpoint
    weights = OrderedDict(checkpoint)
    weights._metadata, names = read_config(os.path.dirname(path))  # type: ignore[attr-defined]
    return dict(state_dict=weights, class_names=names)


def locate(source: str) -> str:
    """The file with the weights of a path, a Hugging Face folder or a URL, which is downloaded once.

    Raises:
        ValueError: it is not there.
    """
    if source.startswith(('http://', 'https://')):
        return download(source)
    path = os.path.expanduser(source)
    if os.path.isdir(path):
        return weights_of_folder(path)
    if not os.path.isfile(path):
        raise InputError(f'{path}: no such checkpoint')
    return path


def add_trust_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('--trust', action='store_true',
                        help='also read a file that would be refused, and RUN the code in it')


def _check_hash(path: str) -> None:
    """Compare a file with the hash that the run which wrote it put beside it, if there is one."""
    try:
        with open(path + HASH_SUFFIX) as file:
            written = file.read(64)
    except (OSError, UnicodeDecodeError):
        return
    if written != file_hash(path, 'sha256'):
        raise InputError(f'{path} is damaged: it differs from the hash in {os.path.basename(path)}{HASH_SUFFIX}')


def _read_file(path: str, trust: bool) -> Any:
    tell_reading(path)
    _check_hash(path)
    if path.endswith('.safetensors'):
        checkpoint = read_safetensors(path)
    elif trust:
        checkpoint = _load(path, weights_only=False)
    else:
        try:
            scan(path)
        except Hostile as error:
            raise InputError(f'{path} was refused: {error}') from None
        except DAMAGE as error:
            raise InputError(f'{path} is not a checkpoint, or is damaged') from error
        checkpoint = _load(path, weights_only=True)
    _check_tensors(checkpoint, path)
    return checkpoint


def _load(path: str, weights_only: bool) -> Any:
    try:
        bounds = Bounded(os.path.getsize(path)) if weights_only else contextlib.nullcontext()
        with safe_globals(_allowed()), bounds:
            return torch.load(path, map_location='cpu', weights_only=weights_only)
    except DAMAGE as error:
        classes = _unsafe_classes(path, error) if weights_only else []
        if not classes:
            raise InputError(f'{path} is not a checkpoint, or is damaged') from error
        raise InputError(f'{path} was refused: loading it would run {listed(classes)}; '
                         f'{TRUST}') from error


def _unsafe_classes(path: str, error: BaseException) -> list[str]:
    """What a file asks for that is not allowed: all of it, or the first of it in a file from before torch 1.6."""
    if not isinstance(error, pickle.UnpicklingError):
        return []
    try:
        with safe_globals(_allowed()):
            return torch.serialization.get_unsafe_globals_in_checkpoint(path)
    except Exception:  # noqa: BLE001 - whatever the file is, it cannot tell
        return re.findall(r'Unsupported global: GLOBAL (\S+)', str(error))[:1]


def meta_of(checkpoint: Any) -> dict[str, Any]:
    """What a checkpoint of a run says of itself; empty where it says nothing."""
    meta = checkpoint.get('meta') if isinstance(checkpoint, dict) else None
    return meta if isinstance(meta, dict) else {}


def class_names_of(checkpoint: Any) -> list[str] | None:
    """The classes' names, as a run or a Hugging Face folder tells them."""
    dataset = meta_of(checkpoint).get('dataset_meta')
    names = dataset.get('classes') if isinstance(dataset, dict) else None
    names = names or (checkpoint.get('class_names') if isinstance(checkpoint, dict) else None)
    return [str(name) for name in names] if isinstance(names, (list, tuple)) and names else None


def tensors_of(checkpoint: Any) -> Mapping[str, Tensor]:
    """The state dict inside a checkpoint: under ``state_dict`` or ``model``, or the checkpoint itself.

    Raises:
        ValueError: it holds no tensors.
    """
    if isinstance(checkpoint, dict):
        for key in ('state_dict', 'model'):
            if isinstance(checkpoint.get(key), (dict, nn.Module)):
                checkpoint = checkpoint[key]
                break
    if isinstance(checkpoint, nn.Module):  # of a file that is trusted
        checkpoint = checkpoint.state_dict()
    if isinstance(checkpoint, dict):
        if checkpoint and all(isinstance(key, str) and isinstance(value, Tensor) for key, value in checkpoint.items()):
            return checkpoint
    raise InputError('no weights in this file: it holds no tensors by name, neither directly nor under '
                     '"state_dict" or "model"')


def _check_tensors(checkpoint: Any, path: str) -> None:
    """Refuse tensors that would take more memory than the file has, or that are no plain numbers."""
    size = os.path.getsize(path)
    for name, tensor in _tensors(checkpoint):
        strange = strangeness(tensor)
        if strange or type(tensor) not in (Tensor, nn.Parameter) or tensor.dtype not in DTYPES:
            raise InputError(f'{path} was refused: it holds tensors that are not plain numbers: '
                             f'{listed([str(name)])} ({strange or tensor.dtype})')
        if tensor.numel() * tensor.element_size() > size:
            raise InputError(f'{path} was refused: it holds a tensor of shape {tuple(tensor.shape)}, more than the '
                             f'{size} bytes of the file')


def _tensors(checkpoint: Any) -> Iterator[tuple[Any, Tensor]]:
    """The tensors of a checkpoint and of the dicts in it, with their names."""
    for key, value in checkpoint.items() if isinstance(checkpoint, dict) else ():
        yield from ((name, item) for name, item in (value.items() if isinstance(value, dict) else [(key, value)])
                    if isinstance(item, Tensor))
