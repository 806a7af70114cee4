"""A look at a file before torch reads it: what a small file could do to the memory or the stack of whoever does.

torch's own safe reading (``weights_only=True``) keeps a file from running code, and from nothing else.
"""
import os
import pickletools
import zipfile
from collections.abc import Iterator
from typing import IO, Any

DEEPEST = 100  # containers inside containers; training checkpoints have some ten
# Allowed by torch, used by no checkpoint, and taking as much memory as a number in the file says.
GREEDY = ('builtins bytearray', '__builtin__ bytearray')
FILLING = ('APPEND', 'APPENDS', 'SETITEM', 'SETITEMS', 'ADDITEMS', 'BUILD')  # instructions that add to a container
LEGACY_PICKLES = 5  # in a file from before torch 1.6: three of its own, the checkpoint, and the storages' keys


class Hostile(Exception):
    """A file that is made to do harm; the message says how."""


def scan(path: str) -> None:
    """Look through a file of torch's for what no checkpoint holds.

    Raises:
        Hostile: records that grow when they are unpacked, or a pickle that nests deeply or allocates by itself.
        Exception: of many kinds, for a file that is damaged or something else.
    """
    with open(path, 'rb') as file:
        if file.peek(4).startswith(b'PK\x03\x04'):  # as torch tells
            with zipfile.ZipFile(file) as archive:
                _scan_zip(archive, os.path.getsize(path))
            return
        for _ in range(LEGACY_PICKLES):
            if not file.peek(1):
                break
            _scan_pickle(file)


def _scan_zip(archive: zipfile.ZipFile, file_size: int) -> None:
    records = archive.infolist()
    if any(record.compress_type != zipfile.ZIP_STORED for record in records) or (
            sum(record.file_size for record in records) > file_size):
        raise Hostile('its records are larger than the file')
    for record in records:
        if record.filename.lower().endswith('data.pkl'):  # torch finds it in capitals, too
            with archive.open(record) as file:
                _scan_pickle(file)


def _scan_pickle(file: IO[bytes]) -> None:
    """Follow a pickle's instructions on a stack that holds, of each object, how deep it nests."""
    stack: list[Any] = []
    memo: dict[Any, int] = {}
    for code, argument, _ in pickletools.genops(file):
        if code.name == 'GLOBAL' and argument in GREEDY:
            raise Hostile(f'it asks for {argument.replace(" ", ".")}, which no checkpoint needs')
        if code.name in ('BINPUT', 'LONG_BINPUT', 'PUT', 'MEMOIZE'):
            memo[len(memo) if argument is None else argument] = stack[-1] if isinstance(stack[-1], int) else 0
            continue
        popped = list(_popped(stack, code))
        container = popped.pop() if code.name in FILLING else 0
        depth = max(container, max(popped, default=-1) + 1)
        if depth > DEEPEST:
            raise Hostile(f'its containers are nested more than {DEEPEST} deep')
        for made in code.stack_after:
            if made is pickletools.markobject:
                stack.append(made)
            else:
                stack.append(memo.get(argument, 0) if code.name.endswith('GET') else depth)


def _popped(stack: list[Any], code: pickletools.OpcodeInfo) -> Iterator[int]:
    """The depths of the objects that an instruction takes from the stack."""
    before = code.stack_before
    if pickletools.markobject in before:
        while stack and stack[-1] is not pickletools.markobject:
            yield stack.pop()
        stack.pop()
        before = before[:before.index(pickletools.markobject)]
    for _ in before:
        yield stack.pop()
