"""Coverage-guided changes by atheris (libFuzzer): see fuzz_checkpoints.py --guided.

An input is a kind, one byte, and a file: a checkpoint of torch's, a safetensors file or a config.json.
"""
import importlib
import os
import random
import sys
from pathlib import Path

import atheris
import torch

LOOKED_INTO = ['mae_mm', 'pickletools']
for _name in ('mmengine.runner', 'mmpretrain.models', 'mmseg.models', 'safetensors'):  # these are not
    importlib.import_module(_name)
for _name in LOOKED_INTO:
    sys.modules.pop(_name, None)
with atheris.instrument_imports(include=LOOKED_INTO):
    import mae_mm.apis.inspecting  # noqa: F401
atheris.instrument_func(torch._weights_only_unpickler.Unpickler.load)

PTH, SAFETENSORS, CONFIG = range(3)
NAMES = {PTH: 'guided .pth', SAFETENSORS: 'guided .safetensors', CONFIG: 'guided config.json'}
LONGEST = 200_000  # bytes


def guide(whole: dict[str, dict[str, bytes]], case: Path, pipe: int, seed: int, seconds: float) -> None:
    """In a process of its own: let atheris make files, and tell of each; does not return."""
    from fuzz_checkpoints import OUTCOMES, bounded, put, tell_parent, try_readers, watch
    from fuzz_mutations import config, cut, flip, header, members, opcodes
    corpus = Path('corpus')
    corpus.mkdir(exist_ok=True)
    for name, files in whole.items():
        for file, content in files.items():
            (corpus / f'{name}-{file}').write_bytes(bytes([kind_of(file)]) + content)
    changes = {PTH: (flip, cut, members, opcodes, opcodes), SAFETENSORS: (flip, cut, header), CONFIG: (flip, config)}
    seen: list[str] = []

    def mutate(data: bytes, longest: int, number: int) -> bytes:
        rng = random.Random(number)
        kind, content = (data[0] % len(NAMES), data[1:]) if data else (PTH, b'')
        try:
            content = rng.choice(changes[kind])(content, rng) if rng.random() < .7 else atheris.Mutate(
                content, longest - 1)
        except Exception:  # noqa: BLE001 - what is no zip file or JSON any more
            content = atheris.Mutate(content, longest - 1)
        return bytes([kind]) + content[:longest - 1]

    def read(data: bytes) -> None:
        kind, content = (data[0] % len(NAMES), data[1:]) if data else (PTH, b'')
        files = {PTH: {'a.pth': content}, SAFETENSORS: {'a.safetensors': content},
                 CONFIG: {**whole['folder'], 'config.json': content}}[kind]
        path = put(files, case)
        seen.clear()
        outcome = try_readers(path, seen)
        tell_parent(pipe, NAMES[kind], outcome)
        if outcome not in OUTCOMES:
            os._exit(0)

    bounded()
    watch(seen)
    atheris.Setup(['fuzz', f'-seed={seed + 1}', f'-max_total_time={max(int(seconds), 1)}', f'-max_len={LONGEST}',
                   '-rss_limit_mb=0', '-timeout=60', str(corpus)], read, custom_mutator=mutate)
    atheris.Fuzz()


def kind_of(file: str) -> int:
    return CONFIG if file == 'config.json' else SAFETENSORS if file.endswith('.safetensors') else PTH
