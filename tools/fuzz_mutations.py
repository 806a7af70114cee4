"""Checkpoints as whole files, and what chance makes of them: see fuzz_checkpoints.py."""
import io
import json
import pickletools
import random
import struct
import warnings
import zipfile
from collections.abc import Callable

import numpy as np
import torch
from mmengine.logging import HistoryBuffer

from mae_mm.checkpoint import export
from mae_mm.checkpoint.describing import describe
from mae_mm.checkpoint.huggingface import config_of, safetensors_bytes
from mae_mm.checkpoint.writing import to_plain
from mae_mm.models import MAE, MAEDecoder, MaskedAutoencoder

Files = dict[str, bytes]  # a file, or a folder's files, by name
MARKER = 'FUZZED'  # in whatever would run: its name in the working directory, and in the text of the code
NUMBERS = (0, 1, 2, 3, 255, 256, 2**15, 2**16, 2**31 - 1, 2**31, 2**32, 2**35, 2**53, 2**63 - 1, -1, -2**31, -2**63)
COMMANDS = ((b'os\nsystem', f'touch {MARKER}'), (b'posix\nsystem', f'touch {MARKER}'),
            (b'builtins\neval', f'open("{MARKER}", "w")'), (b'builtins\nexec', f'open("{MARKER}", "w")'),
            (b'__builtin__\neval', f'open("{MARKER}", "w")'), (b'subprocess\ngetoutput', f'touch {MARKER}'),
            (b'os\npopen', f'touch {MARKER}'), (b'torch\nload', MARKER), (b'torch.hub\nload', MARKER))
GLOBALS = (
    b'torch._utils\n_rebuild_tensor_v2', b'torch._utils\n_rebuild_parameter', b'torch._utils\n_rebuild_sparse_tensor',
    b'torch._utils\n_rebuild_qtensor', b'torch._utils\n_rebuild_nested_tensor',
    b'torch._utils\n_rebuild_wrapper_subclass', b'torch._utils\n_rebuild_meta_tensor_no_storage',
    b'torch._tensor\n_rebuild_from_type_v2', b'torch\nFloatStorage', b'torch\nBoolStorage', b'torch\nTensor',
    b'torch.storage\nUntypedStorage', b'torch\nSize', b'torch\ndevice', b'torch\nfloat64', b'torch\nuint8',
    b'torch.serialization\n_get_layout', b'torch.nn.parameter\nParameter', b'collections\nOrderedDict',
    b'collections\nCounter', b'builtins\nbytearray', b'builtins\nset', b'builtins\ngetattr', b'_codecs\nencode',
    b'numpy\ndtype', b'numpy\nndarray', b'numpy.core.multiarray\nscalar', b'numpy._core.multiarray\n_reconstruct',
    b'mmengine.logging.history_buffer\nHistoryBuffer', b'argparse\nNamespace', b'copyreg\n_reconstructor')
DTYPES = ('F64', 'F32', 'F16', 'BF16', 'I64', 'I8', 'U8', 'U16', 'BOOL', 'F8_E4M3', 'F8_E8M0', 'C64', 'F4', '', 'f32')


def seeds() -> dict[str, Files]:
    """Whole checkpoints by kind."""
    torch.manual_seed(0)
    model = MaskedAutoencoder(MAE(img_size=16, patch_size=8, embed_dims=8, num_layers=1, num_heads=2),
                              MAEDecoder(embed_dims=8, num_layers=1, num_heads=2))
    state = model.state_dict()
    optimizer = torch.optim.AdamW([parameter for parameter in model.parameters() if parameter.requires_grad])
    history = HistoryBuffer([1., 2.], [1, 1])
    run = dict(state_dict=state, optimizer=optimizer.state_dict(), meta=dict(
        epoch=1, iter=3, experiment_name='mae_20260101_000000', dataset_meta=dict(classes=('a', 'b'))),
        message_hub=to_plain(dict(log_scalars=dict(loss=history))))
    others = dict(model=export(state, 'official')[0], history=history, scalar=np.float64(.5), array=np.zeros(3))
    folder = {'config.json': json.dumps(config_of(describe(state))).encode(),
              'model.safetensors': in_order(safetensors_bytes(export(state, 'huggingface')[0]))}
    return {'zip': {'a.pth': saved(state)}, 'run': {'a.pth': saved(run)}, 'others': {'a.pth': saved(others)},
            'legacy': {'a.pth': saved(others, _use_new_zipfile_serialization=False)},
            'safetensors': {'a.safetensors': in_order(safetensors_bytes(state))}, 'folder': folder}


def saved(checkpoint: object, **options: bool) -> bytes:
    torch.save(checkpoint, stream := io.BytesIO(), **options)
    return stream.getvalue()


def in_order(content: bytes) -> bytes:
    """A safetensors file with its header in alphabetical order, which otherwise differs from run to run."""
    length, = struct.unpack('<Q', content[:8])
    text = json.dumps(json.loads(content[8:8 + length]), sort_keys=True).encode()
    return struct.pack('<Q', len(text)) + text + content[8 + length:]


def flip(content: bytes, rng: random.Random) -> bytes:
    """Some bits, of the beginning or end more often than of the middle: there the structure is."""
    changed = bytearray(content)
    for _ in range(rng.choice([1, 1, 2, 8, 64]) if changed else 0):
        place = rng.choice([rng.randrange(len(changed)), rng.randrange(min(2000, len(changed))),
                            -1 - rng.randrange(min(2000, len(changed)))])
        changed[place] ^= 1 << rng.randrange(8)
    return bytes(changed)


def cut(content: bytes, rng: random.Random) -> bytes:
    """A part is missing, or there twice."""
    first, last = sorted(rng.randrange(len(content) + 1) for _ in range(2))
    return rng.choice([content[:last], content[first:], content[:first] + content[last:],
                       content[:last] + content[first:], content + content[first:last]])


def members(content: bytes, rng: random.Random) -> bytes:
    """Records of a zip file are dropped, renamed, exchanged, compressed, there twice or of another size."""
    with zipfile.ZipFile(io.BytesIO(content)) as file:
        records = [(name, file.read(name)) for name in file.namelist()]
    for _ in range(rng.choice([1, 2, 5])):
        i, j = rng.randrange(len(records)), rng.randrange(len(records))
        (name, record), (other, others) = records[i], records[j]
        records[i] = rng.choice([(name, others), (other, record), (name, record + others), (name, b''),
                                 (name.upper(), record), (name, cut(record, rng)), (f'../{name}', record),
                                 ('archive/' + rng.choice(['byteorder', '.format_version', '.data/serialization_id',
                                                           '.storage_alignment', 'constants.pkl']), record),
                                 (name, record * rng.choice([2, 100]))])
        records += [(name, record)] * rng.choice([0, 0, 1])
        if rng.random() < .2 and len(records) > 1:
            del records[j]
    return zipped(records, rng.choice([zipfile.ZIP_STORED] * 4 + [zipfile.ZIP_DEFLATED]))


def zipped(records: list[tuple[str, bytes]], compression: int = zipfile.ZIP_STORED) -> bytes:
    with zipfile.ZipFile(whole := io.BytesIO(), 'w', compression) as file, warnings.catch_warnings():
        warnings.simplefilter('ignore')  # a name is there twice
        for name, record in records:
            file.writestr(zipfile.ZipInfo(name), record, compression)  # not of the time of now
    return whole.getvalue()


def opcodes(content: bytes, rng: random.Random) -> bytes:
    """Instructions of a pickle are dropped, repeated, exchanged or put in; a zip file's, or those of a bare one."""
    if not content.startswith(b'PK'):
        return _other_instructions(content, rng)
    with zipfile.ZipFile(io.BytesIO(content)) as file:
        records = [(name, file.read(name)) for name in file.namelist()]
    return zipped([(name, _other_instructions(record, rng) if name.endswith('data.pkl') else record)
                   for name, record in records])


def _other_instructions(stream: bytes, rng: random.Random) -> bytes:
    starts, end = [], 0
    while len(starts) < 10**4:  # a file from before torch 1.6 holds several pickles
        try:
            found = [end + place for _, _, place in pickletools.genops(stream[end:])]
        except Exception:  # noqa: BLE001 - the storages come after the pickles
            break
        starts += found
        end = found[-1] + 1
    if not starts:
        return stream
    parts = [stream[first:last] for first, last in zip(starts, [*starts[1:], end], strict=True)]
    numbers = [i for i, part in enumerate(parts) if part[:1] in b'KMJ']
    names = [i for i, part in enumerate(parts) if part[:1] == b'c']
    for _ in range(rng.choice([1, 1, 1, 2, 8])):
        i, j = rng.randrange(len(parts)), rng.randrange(len(parts))
        kind = rng.random()
        if kind < .3 and numbers:
            parts[rng.choice(numbers)] = _number(rng)
        elif kind < .5 and names:
            parts[rng.choice(names)] = b'c' + rng.choice(GLOBALS) + b'\n'
        elif kind < .8:  # the stack stays as it is
            parts[i] += _instruction(rng) + b'0'
        else:
            parts[i] = rng.choice([b'', parts[i] * 2, parts[j], parts[i] + _instruction(rng), _instruction(rng)])
    return b''.join(parts) + stream[end:]


def _instruction(rng: random.Random) -> bytes:
    """One of pickle's, of those that need no argument; a number; an allowed or a dangerous call."""
    name, text = rng.choice(COMMANDS)
    command = b'c' + name + b'\n(' + _text(text) + b'tR'
    call = b'c' + rng.choice(GLOBALS) + b'\n(' + b''.join(
        rng.choice([_number(rng), _text('cpu'), b'N', b'\x88', b')', b'}', b']']) for _ in range(rng.randrange(7)))
    return rng.choice([command, call + b'tR', call + b't\x81', call + b'tR', _number(rng),
                       bytes([rng.choice(b'.012(tu}]slaeRbo)qQhNd\x81\x85\x86\x87\x88\x89\x8f\x90\x91\x93\x94')]),
                       b'h' + bytes([rng.randrange(256)]), b'Q', b'\x95' + struct.pack('<Q', 2**40),
                       b'B' + struct.pack('<I', rng.choice([4, 2**31])), b'X' + struct.pack('<I', 2**31) + b'a'])


def _text(text: str) -> bytes:
    return b'X' + struct.pack('<I', len(text)) + text.encode()


def _number(rng: random.Random) -> bytes:
    number = rng.choice(NUMBERS)
    return b'\x8a\x09' + number.to_bytes(9, 'little', signed=True)


def header(content: bytes, rng: random.Random) -> bytes:
    """The header of a safetensors file says something else."""
    length, = struct.unpack('<Q', content[:8])
    entries, data = json.loads(content[8:8 + length]), content[8 + length:]
    text = json.dumps(other_json(entries, rng)).encode()
    length = rng.choice([len(text)] * 9 + [rng.choice(NUMBERS) % 2**64])
    return struct.pack('<Q', length) + text + rng.choice([data] * 5 + [cut(data, rng)])


def other_json(value: object, rng: random.Random) -> object:
    """A value of JSON that differs somewhere."""
    if isinstance(value, (dict, list)) and value and rng.random() < .95:
        changed = value.copy()
        key = rng.choice(list(value) if isinstance(value, dict) else range(len(value)))
        if isinstance(changed, dict) and rng.random() < .15:
            changed[rng.choice([*value, 'vit', '', '\n', 'a' * 10**5])] = changed.pop(key)
        else:
            changed[key] = other_json(value[key], rng)
        return changed
    deep: object = []
    for _ in range(rng.choice([1, 5, 500])):
        deep = [deep]
    return rng.choice([*NUMBERS, -.5, float('nan'), float('inf'), 1e308, '', MARKER, None, True, False, [], {}, deep,
                       [1, 2], rng.choice(DTYPES), '[' * 10**4, {'a': {'b': [1]}}, 10**400])


def config(content: bytes, rng: random.Random) -> bytes:
    return json.dumps(other_json(json.loads(content), rng)).encode()


# Class -> the kinds of checkpoints that it is for, and what is done to one of their files.
CLASSES: dict[str, tuple[tuple[str, ...], Callable[[bytes, random.Random], bytes]]] = {
    'flipped bits': (('zip', 'run', 'others', 'legacy', 'safetensors', 'folder'), flip),
    'cut and joined': (('zip', 'run', 'others', 'legacy', 'safetensors', 'folder'), cut),
    'zip members': (('zip', 'run', 'others'), members),
    'instructions': (('zip', 'run', 'others', 'legacy'), opcodes),
    'safetensors header': (('safetensors', 'folder'), header),
    'config.json': (('folder', ), config),
}


def make(number: int, seed: int, whole: dict[str, Files]) -> tuple[str, Files]:
    """The class and the files of case ``number``: the same whenever it is made."""
    rng = random.Random(f'{seed} {number}')
    name = list(CLASSES)[number % len(CLASSES)]
    kinds, change = CLASSES[name]
    files = dict(whole[rng.choice(kinds)])
    file = 'config.json' if change is config else rng.choice([key for key in files if key != 'config.json'])
    files[file] = change(files[file], rng)
    if rng.random() < .1:  # twice
        files[file] = flip(files[file], rng)
    return name, files
