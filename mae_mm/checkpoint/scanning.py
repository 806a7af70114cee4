"""A look at a file before torch reads it: what a small file could do to the memory or the stack of whoever does.

torch's own safe reading (``weights_only=True``) keeps a file from running code, and from nothing else.
"""
import math
import os
import pickletools
import zipfile
from collections.abc import Iterator
from typing import IO, Any

DEEPEST = 100  # containers inside containers; training checkpoints have some ten
# Allowed by torch, used by no checkpoint, and taking as much memory as a number in the file says.
GREEDY = ('builtins bytearray', '__builtin__ bytearray')
GREEDY_CALLS = ('torch Tensor', 'torch.nn.parameter Parameter', 'torch.storage UntypedStorage',
                'torch.storage TypedStorage', 'numpy ndarray')  # the same of these, when they are called
CALLS = ('REDUCE', 'NEWOBJ', 'NEWOBJ_EX', 'OBJ')
FILLING = ('APPEND', 'APPENDS', 'SETITEM', 'SETITEMS', 'ADDITEMS', 'BUILD')  # instructions that add to a container
LEGACY_PICKLES = 5  # in a file from before torch 1.6: three of its own, the checkpoint, and the storages' keys
AT_ONCE = 2**20  # bytes

Item = tuple[int, float, str]  # how deep an object nests, the largest number in it, and its name if it is a global
NOTHING: Item = (0, 0, '')


class Within:
    """A stream of which no more is read at a time than its file has: Python makes room for what is asked for."""

    def __init__(self, file: IO[bytes], size: int):
        self.size = size
        self.file = file
        self.readline, self.tell = file.readline, file.tell

    def read(self, count: int) -> bytes:
        if count > self.size:
            raise EOFError
        return self.file.read(count)


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
            _scan_pickle(Within(file, os.path.getsize(path)))


def _scan_zip(archive: zipfile.ZipFile, file_size: int) -> None:
    records = archive.infolist()
    if any(record.compress_type != zipfile.ZIP_STORED for record in records) or (
            sum(record.file_size for record in records) > file_size):
        raise Hostile('its records are larger than the file')
    for record in records:
        with archive.open(record) as file:
            if record.filename.lower().endswith('data.pkl'):  # torch finds it in capitals, too
                _scan_pickle(Within(file, file_size))
            while file.read(AT_ONCE):  # at its end the checksum is compared, which torch does not
                pass


def _scan_pickle(file: 'Within') -> None:
    """Follow a pickle's instructions on a stack that holds what matters of each object."""
    stack: list[Any] = []
    memo: dict[Any, Item] = {}
    for code, argument, _ in pickletools.genops(file):  # type: ignore[arg-type]
        if code.name in ('BINPUT', 'LONG_BINPUT', 'PUT', 'MEMOIZE'):
            memo[len(memo) if argument is None else argument] = stack[-1] if isinstance(stack[-1], tuple) else NOTHING
            continue
        popped = list(_popped(stack, code))
        made = _made(code.name, argument, popped)
        if code.name.endswith('PERSID') and made[1] > file.size:
            raise Hostile('it declares more numbers than it holds')
        for kind in code.stack_after:
            if kind is pickletools.markobject:
                stack.append(kind)
            else:
                stack.append(memo.get(argument, NOTHING) if code.name.endswith('GET') else made)


def _made(name: str, argument: Any, popped: list[Item]) -> Item:
    """What an instruction makes of what it takes from the stack, the last of which was the lowest there."""
    asked = argument if name in ('GLOBAL', 'INST') else popped[-1][2] if name in CALLS and popped else ''
    if asked in GREEDY or (name != 'GLOBAL' and asked in GREEDY_CALLS):
        raise Hostile(f'it asks for {asked.replace(" ", ".")}, which no checkpoint needs')
    depths = [item[0] for item in popped]
    container = depths.pop() if name in FILLING else 0
    depth = max(container, max(depths, default=-1) + 1)
    if depth > DEEPEST:
        raise Hostile(f'its containers are nested more than {DEEPEST} deep')
    if isinstance(argument, int) and not name.endswith('GET'):
        return depth, abs(argument), ''
    # nothing tells what a call returns, such as a scalar of NumPy
    largest = math.inf if name in CALLS or name == 'INST' else max((item[1] for item in popped), default=0)
    return depth, largest, argument if name == 'GLOBAL' else ''


def _popped(stack: list[Any], code: pickletools.OpcodeInfo) -> Iterator[Item]:
    """The objects that an instruction takes from the stack."""
    before = code.stack_before
    if pickletools.markobject in before:
        while stack and stack[-1] is not pickletools.markobject:
            yield stack.pop()
        stack.pop()
        before = before[:before.index(pickletools.markobject)]
    for _ in before:
        yield stack.pop()
