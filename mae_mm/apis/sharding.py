"""Making shards of a folder of images: the same bytes of the same folder, however often it was interrupted."""
import hashlib
import json
import os
import tarfile
import zlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import IO, Any

from PIL import Image

from ..checkpoint.download import file_hash
from ..checkpoint.writing import AtomicBackend, whole_file
from ..datasets.shard_head import HEAD, INDEX, SUFFIX, read_head
from ..datasets.shards import Shards
from ..errors import InputError, listed
from ..outputs import check_target
from ..progress import progress_of
from .shard_index import alone, write_index
from .shard_plan import Plan, Sample

DONE = '.done.json'  # beside a shard until all are there: what the index will say of it
SHARD_BYTES = 256 << 20
SHOWN = 10  # broken images that a message names
READERS = 8  # files that are read and tried at a time


def make_shards(source: str, out: str, shard_bytes: int = SHARD_BYTES, skip_broken: bool = False) -> dict[str, Any]:
    """Write all images of a folder into shards; what is there already is kept, and what is missing is made.

    Args:
        shard_bytes: of images in a shard, at most; an image that is larger has one of its own.
        skip_broken: leave out images that cannot be read.

    Returns:
        dict: the contents of ``shards.json``.

    Raises:
        ValueError: a folder without images; one for the shards that has others, or is among the images; broken
            images, of which all are looked for first; a disk that is full.
    """
    check_target(out, [source])
    plan = Plan(source, shard_bytes)
    with alone(out):
        return _make(plan, out, skip_broken)


def _make(plan: Plan, out: str, skip_broken: bool) -> dict[str, Any]:
    known, broken = _known(plan, out), []
    index_lost = _index_is_lost(out)
    limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None  # ours is checked; Pillow's is not for threads
    try:
        with progress_of(len(plan)) as progress, ThreadPoolExecutor(READERS) as readers:
            for name, samples in plan.shards.items():
                entry = known.get(name)
                if entry is None or index_lost or not _is_there(os.path.join(out, name), entry):
                    read = list(readers.map(plan.read, samples))
                    wrong = [str(data).removeprefix(os.path.join(plan.source, '')) for data in read
                             if isinstance(data, InputError)]
                    broken += wrong
                    if skip_broken or not wrong:
                        known[name] = _write(out, name, plan, samples, read, entry)
                progress.update(len(samples))
    finally:
        Image.MAX_IMAGE_PIXELS = limit
    if broken and not skip_broken:
        more = f'; and {len(broken) - SHOWN} more' if len(broken) > SHOWN else ''
        raise InputError(f'{plan.source}: {len(broken)} images cannot be put into shards: {"; ".join(broken[:SHOWN])}'
                         f'{more}. The same command with --skip-broken goes on without them')
    if index_lost or not os.path.exists(os.path.join(out, HEAD)):
        _write_index(plan, out, known)
    for name in plan.shards:
        if os.path.exists(os.path.join(out, name + DONE)):
            os.remove(os.path.join(out, name + DONE))
    return Shards(out).head


def _known(plan: Plan, out: str) -> dict[str, dict[str, Any]]:
    """What is known of the shards that have been made, by their names.

    Raises:
        ValueError: there are shards of something else.
    """
    known = {}
    found = sorted(os.listdir(out)) if os.path.isdir(out) else []
    for name in found:
        if name == HEAD:
            head = read_head(out)
            _check_same(head['source'], plan, out, name)
            return {shard['name']: shard for shard in head['shards']}
        if name.endswith(DONE):
            with open(os.path.join(out, name), encoding='utf-8') as file:
                entry = json.load(file)
            _check_same(entry['source'], plan, out, name)
            known[entry['name']] = entry
    for name in found:
        if name.endswith(SUFFIX) and name not in known:
            _check_same(None, plan, out, name)
    return known


def _check_same(source: str | None, plan: Plan, out: str, name: str) -> None:
    if source != plan.digest:
        raise InputError(f'{out} has shards already ({name}), not of {plan.source} as it is now, or of '
                         'another size; choose another folder, or remove them')


def _index_is_lost(out: str) -> bool:
    """Whether there is a ``shards.json`` and not the index that it is of."""
    if not os.path.exists(os.path.join(out, HEAD)):
        return False
    path = os.path.join(out, INDEX)
    return not os.path.isfile(path) or file_hash(path, 'sha256') != read_head(out)['index']['sha256']


def _is_there(path: str, entry: dict[str, Any]) -> bool:
    return os.path.isfile(path) and os.path.getsize(path) == entry['bytes']


def _write(out: str, name: str, plan: Plan, samples: Sequence[Sample], read: Sequence[bytes | InputError],
           before: dict[str, Any] | None) -> dict[str, Any]:
    """Write a shard, and beside it what the index will say of it; one that was lost has to be as it was ``before``."""
    path = os.path.join(out, name)
    with whole_file(path) as file:
        tar, members = _Tar(file), {}
        for sample, data in zip(samples, read, strict=True):
            if not isinstance(data, InputError):
                members[sample.name] = (tar.add(sample.member, data), len(data), zlib.crc32(data))
                if sample.label is not None:
                    tar.add(f'{sample.key}.cls', str(sample.label).encode())
        tar.end()
        entry = dict(name=name, bytes=tar.place, sha256=tar.hash.hexdigest(), images=len(members),
                     source=plan.digest, members=members)
        if before is not None and before['sha256'] != entry['sha256']:
            raise InputError(f'{path} cannot be made again as it was: images of {plan.source} have changed; remove '
                             f'{out}, and make all shards anew')
        if not os.path.exists(os.path.join(out, HEAD)):
            AtomicBackend().put(json.dumps(entry).encode(), path + DONE)
    return entry


class _Tar:
    """A tar file that holds nothing but names and bytes: no times, owners or permissions of its own."""

    def __init__(self, file: IO[bytes]):
        self.file, self.hash, self.place = file, hashlib.sha256(), 0

    def put(self, data: bytes) -> None:
        self.file.write(data)
        self.hash.update(data)
        self.place += len(data)

    def add(self, name: str, data: bytes) -> int:
        """Write a member; where its bytes begin."""
        info = tarfile.TarInfo(name)
        info.size = len(data)
        self.put(info.tobuf(tarfile.GNU_FORMAT, 'utf-8', 'surrogateescape'))
        begin = self.place
        self.put(data)
        self.put(bytes(-len(data) % tarfile.BLOCKSIZE))
        return begin

    def end(self) -> None:
        self.put(bytes(2 * tarfile.BLOCKSIZE))
        self.put(bytes(-self.place % tarfile.RECORDSIZE))


def _write_index(plan: Plan, out: str, known: dict[str, dict[str, Any]]) -> None:
    shards = [known[name] for name in plan.shards]
    if not any(shard['members'] for shard in shards):
        raise InputError(f'{plan.source}: none of its {len(plan)} images can be read')
    left_out = len(plan) - sum(len(shard['members']) for shard in shards)
    write_index(out, shards, source=plan.digest, classes=plan.classes, left_out=left_out)


def verify_shards(out: str) -> dict[str, Any]:
    """Read all shards and compare them with their hashes.

    Returns:
        dict: the contents of ``shards.json``.

    Raises:
        ValueError: with all files that are missing, cut short or changed.
    """
    stored = Shards(out)
    head = stored.head
    wanted = {INDEX: head['index']['sha256'], **{shard['name']: shard['sha256'] for shard in head['shards']}}
    wrong = []
    with progress_of(len(wanted)) as progress:
        for name, sha256 in wanted.items():
            path = os.path.join(out, name)
            if file_hash(path, 'sha256') != sha256:
                wrong.append(name)
            progress.update()
    if wrong:
        raise InputError(f'{out}: {listed(wrong)}: changed since the shards were made; remove what is named, and '
                         f'{stored.remedy}')
    beside = stored.beside()
    if beside:
        raise InputError(f'the shards are as they were made, but {beside}')
    return head
