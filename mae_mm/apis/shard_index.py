"""The index that makes tar files shards, and who may write it."""
import contextlib
import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from filelock import FileLock, Timeout

from ..checkpoint.writing import AtomicBackend
from ..datasets.shard_head import FORMAT, HEAD, INDEX
from ..datasets.shards import RECORD
from ..errors import InputError

LOCK = '.mae_mm.lock'


@contextlib.contextmanager
def alone(out: str, remedy: str = 'choose another folder') -> Iterator[None]:
    """No other process writes shards or their index into this folder meanwhile.

    Raises:
        ValueError: one does, or the folder cannot be written.
    """
    lock = FileLock(os.path.join(out, LOCK))
    try:
        os.makedirs(out, exist_ok=True)
        lock.acquire(timeout=0)
    except Timeout:
        raise InputError(f'{out}: another process is making shards there; wait for it') from None
    except NotImplementedError:  # a file system without locks
        pass
    except OSError as error:
        raise InputError(f'{out} cannot be written: {error.strerror}; {remedy}') from None
    try:
        yield
    finally:
        lock.release()
        with contextlib.suppress(FileNotFoundError):
            os.remove(os.path.join(out, LOCK))


def write_index(out: str, shards: Sequence[dict[str, Any]], replaces: bool = True, **told: Any) -> None:
    """``shards.index`` and then ``shards.json``, which makes a folder one of shards.

    Args:
        shards: name, bytes, sha256 and number of images of each, and ``members``: name of an image -> offset, length
            and checksum.
        replaces: an index that is there already and is another one.
        told: what else ``shards.json`` says.

    Raises:
        ValueError: there is another index.
    """
    places = {name: (number, *place) for number, shard in enumerate(shards)
              for name, place in shard['members'].items()}
    names = [os.fsencode(name) for name in sorted(places)]
    records = np.zeros(len(names), RECORD)
    records['name_end'] = np.cumsum([len(name) for name in names])
    for column, values in zip(('shard', 'offset', 'length', 'crc'),
                              zip(*(places[os.fsdecode(name)] for name in names), strict=True), strict=True):
        records[column] = values
    index, path = records.tobytes() + b''.join(names), os.path.join(out, INDEX)
    if not replaces and os.path.lexists(path) and not _holds(path, index):
        raise InputError(f'{path} is there without a {HEAD}, and is of something else; remove it')
    AtomicBackend().put(index, path)
    kept = [{key: shard[key] for key in ('name', 'bytes', 'sha256', 'images')} for shard in shards]
    head = dict(format=FORMAT, images=len(names), index=dict(sha256=hashlib.sha256(index).hexdigest()), **told,
                shards=kept)
    AtomicBackend().put((json.dumps(head, indent=1) + '\n').encode(), os.path.join(out, HEAD))


def _holds(path: str, content: bytes) -> bool:
    if not os.path.isfile(path):
        return False
    with open(path, 'rb') as file:
        return file.read() == content
