"""Files that are broken or made to do harm, from a seed."""
import io
import json
import os
import pickle
import random
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from . import official

HUGE = 1 << 35  # bytes or numbers


class Call:
    """An object whose pickle asks for a call."""

    def __init__(self, function, *args):
        self.function, self.args = function, args

    def __reduce__(self):
        return self.function, self.args


class Storage:
    """A reference to bytes of the file, or to more than there are."""

    def __init__(self, count):
        self.count = count


class Pickler(pickle.Pickler):

    def persistent_id(self, value):
        return ('storage', torch.FloatStorage, '0', 'cpu', value.count) if isinstance(value, Storage) else None


def archive(checkpoint, compression=zipfile.ZIP_STORED, data=bytes(64)) -> bytes:
    """A file like torch's, of whatever pickles; ``checkpoint`` may be the pickle itself."""
    stream = io.BytesIO()
    Pickler(stream, protocol=2).dump(checkpoint)
    with zipfile.ZipFile(whole := io.BytesIO(), 'w', compression) as file:
        for name, record in (('data.pkl', checkpoint if isinstance(checkpoint, bytes) else stream.getvalue()),
                             ('byteorder', b'little'), ('data/0', data), ('version', b'3\n')):
            file.writestr(f'archive/{name}', record)
    return whole.getvalue()


def saved(checkpoint, **options) -> bytes:
    torch.save(checkpoint, stream := io.BytesIO(), **options)
    return stream.getvalue()


def weights(**changes) -> dict:
    return {**official.mae_weights('norm'), **changes}


def tensor(count: int, *shape: int, stride: tuple[int, ...]) -> Call:
    return Call(torch._utils._rebuild_tensor_v2, Storage(count), 0, shape, stride, False, {})


def nested(depth: int) -> bytes:
    """The pickle of ``{'model': {((((...),),),): 1}}``; hashing the key would overflow the stack."""
    return b'\x80\x02}X\x05\x00\x00\x00model})' + b'\x85' * depth + b'K\x01ss.'


def cyclic(rng) -> dict:
    loop: dict = {'model': {}}
    loop['model'] = rng.choice([loop, [loop], {'cls_token': loop}])
    return loop


def safetensors(header, data=bytes(64), length=None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack('<Q', len(text) if length is None else length) + text + data


def _entry(**changes) -> dict:
    return {'cls_token': {'dtype': 'F32', 'shape': [1, 1, 16], 'data_offsets': [0, 64], **changes}}


def _cut(content: bytes, rng: random.Random) -> bytes:
    return content[:rng.randrange(len(content))]


def _flipped(content: bytes, rng: random.Random) -> bytes:
    """A file of which some bytes of the pickle changed; chance may leave a file that can be read."""
    content = bytearray(content)
    for _ in range(8):
        content[rng.randrange(64, 3000)] = rng.randrange(256)
    return bytes(content)


def _not_finite(rng: random.Random) -> dict:
    broken = weights()
    name = rng.choice(sorted(broken))
    broken[name].view(-1)[rng.randrange(broken[name].numel())] = rng.choice([float('nan'), float('inf')])
    return broken


def _command(marker: Path, rng: random.Random) -> Call:
    return rng.choice([Call(os.system, f'touch {marker}'), Call(eval, f'open({str(marker)!r}, "w")'),
                       Call(exec, f'open({str(marker)!r}, "w")'), Call(Path.touch, marker),
                       Call(os.popen, f'touch {marker}')])


def _hidden(marker: Path, rng: random.Random):
    """A command somewhere in a whole checkpoint."""
    command = _command(marker, rng)
    return rng.choice([command, [command], {'model': weights(), 'args': command}, {**weights(), 'extra': command},
                       {'model': weights(), 'optimizer': {'state': {0: (command, )}}}])


# Name -> (suffix, makes the content from (marker, rng)).
KINDS: dict[str, tuple[str, Callable]] = {
    'empty': ('pth', lambda marker, rng: b''),
    'noise': ('pth', lambda marker, rng: rng.randbytes(rng.randrange(1, 5000))),
    'text': ('pth', lambda marker, rng: b'<html>404 not found</html>' * rng.randrange(1, 99)),
    'truncated': ('pth', lambda marker, rng: _cut(saved(weights()), rng)),
    'truncated-legacy': (
        'pth', lambda marker, rng: _cut(saved(weights(), _use_new_zipfile_serialization=False), rng)),
    'flipped': ('pth', lambda marker, rng: _flipped(saved(weights()), rng)),
    'another-zip': ('pth', lambda marker, rng: _zip_of_text()),
    'no-pickle': ('pth', lambda marker, rng: archive(rng.randbytes(40))),
    'command': ('pth', lambda marker, rng: saved(_hidden(marker, rng))),
    'command-plain': ('pth', lambda marker, rng: pickle.dumps(_command(marker, rng), protocol=rng.randrange(6))),
    'command-legacy': ('pth', lambda marker, rng: saved({'model': weights(), 'args': _command(marker, rng)},
                                                        _use_new_zipfile_serialization=False)),
    'command-bin': ('bin', lambda marker, rng: saved(_hidden(marker, rng))),
    'expanded': ('pth', lambda marker, rng: saved(weights(cls_token=torch.zeros(1).expand(HUGE)))),
    'expanded-scaled': ('pth', lambda marker, rng: archive(
        {'cls_token': tensor(16, HUGE, HUGE >> 9, stride=(0, 0))})),
    'huge-storage': ('pth', lambda marker, rng: archive({'cls_token': tensor(HUGE, HUGE, stride=(1, ))})),
    'small-storage': ('pth', lambda marker, rng: archive({'cls_token': tensor(16, 1 << 20, stride=(1, ))})),
    'allocation': ('pth', lambda marker, rng: saved({**weights(), 'extra': rng.choice([
        Call(bytearray, HUGE), [Call(bytearray, HUGE)] * 2, Call(torch.Tensor, 1 << 17, 1 << 17),
        Call(np._core.multiarray.scalar, np.dtype(f'V{2**31 - 9}'), b'')])})),
    'inflated': ('pth', lambda marker, rng: archive({'cls_token': tensor(1 << 24, 1 << 24, stride=(1, ))},
                                                    zipfile.ZIP_DEFLATED, bytes(1 << 26))),
    'nested': ('pth', lambda marker, rng: archive(nested(rng.choice([10**3, 10**6])))),
    'nested-in-disguise': ('pth', lambda marker, rng: rng.choice([
        nested(10**6) + _zip_of_text(), archive(nested(10**6)).replace(b'data.pkl', b'DATA.PKL')])),
    'cyclic': ('pth', lambda marker, rng: archive(cyclic(rng))),
    'long-names': ('pth', lambda marker, rng: saved({rng.choice('ab\n') * 10**6: torch.zeros(1)})),
    'strange-names': ('pth', lambda marker, rng: saved(
        {rng.choice([0, None, (1, 2), 1.5, b'cls_token']): torch.zeros(1), **weights()})),
    'not-finite': ('pth', lambda marker, rng: saved(_not_finite(rng))),
    'other-shapes': ('pth', lambda marker, rng: saved(weights(**{
        name: torch.zeros([1] * rng.choice([0, 1, 5]))
        for name in [rng.choice(['cls_token', 'pos_embed', 'patch_embed.proj.weight'])]}))),
    'other-kinds': ('pth', lambda marker, rng: saved(weights(cls_token=rng.choice([
        torch.zeros(1, 1, 32).to_sparse(), torch.zeros(1, 1, 32, dtype=torch.complex64),
        torch.zeros(1, 1, 32, device='meta'), torch.zeros(1, 1, 32).to(torch.float8_e4m3fn)])))),
    'half-attention': ('pth', lambda marker, rng: saved({
        name: value for name, value in official.beit_weights('finetuned').items()
        if name != 'blocks.1.attn.v_bias'})),
    'safetensors-truncated': ('safetensors', lambda marker, rng: _cut(safetensors(_entry()), rng)),
    'safetensors-long': ('safetensors', lambda marker, rng: safetensors(_entry(), length=rng.choice([HUGE, 2**63]))),
    'safetensors-shape': ('safetensors', lambda marker, rng: safetensors(_entry(shape=[rng.choice([HUGE, -1, 7])]))),
    'safetensors-offsets': ('safetensors', lambda marker, rng: safetensors(_entry(data_offsets=[0, HUGE]))),
    'safetensors-header': ('safetensors', lambda marker, rng: safetensors(rng.choice([
        b'[' * 10**5, b'{"a":', b'null', rng.randbytes(50)]))),
    'safetensors-pickle': ('safetensors', lambda marker, rng: pickle.dumps(_command(marker, rng))),
}


def _zip_of_text() -> bytes:
    with zipfile.ZipFile(whole := io.BytesIO(), 'w') as file:
        file.writestr('readme.txt', 'no weights')
    return whole.getvalue()


def make(number: int, folder: Path, marker: Path) -> tuple[str, Path]:
    """The kind and the path of file ``number``."""
    rng = random.Random(number)
    kind = list(KINDS)[number % len(KINDS)]
    suffix, content = KINDS[kind]
    path = folder / f'{number}-{kind}.{suffix}'
    path.write_bytes(content(marker, rng))
    return kind, path
