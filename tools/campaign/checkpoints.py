"""Checkpoints that are damaged, hostile, of another model, or say wrong things of themselves."""
import functools
import os
import pickle
import random
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch

from .checkpoint_notes import NOTES, WRONG_FOR
from .inputs import ACCEPTED, EITHER, NO_PERMISSIONS, REFUSED, BadInput, Place

# What reads a checkpoint: the road that it is of.
READERS = {'test-classify': 'classify', 'test-segment': 'segment', 'predict-classify': 'classify',
           'predict-segment': 'segment', 'features-pretrain': 'pretrain', 'knn': 'pretrain', 'probe': 'pretrain',
           'inspect': 'classify', 'convert': 'pretrain', 'export-classify': 'classify', 'train-start': 'pretrain',
           'train-load_from': 'pretrain', 'train-resume': 'pretrain', 'reconstruct': 'pretrain',
           'attention': 'pretrain', 'pca': 'pretrain', 'evaluate': 'pretrain', 'demo': 'pretrain'}
FEW = ('test-classify', 'predict-segment', 'features-pretrain', 'knn', 'inspect', 'convert', 'train-start',
       'train-resume')
COMPUTING = tuple(where for where in READERS if where not in ('inspect', 'demo'))
Change = Callable[[dict, Place], Any]  # of a good checkpoint


class Call:
    """An object whose pickle asks for a call."""

    def __init__(self, function: Any, *args: Any):
        self.call = function, args

    def __reduce__(self):
        return self.call


def inputs(rng: random.Random) -> Iterator[BadInput]:
    for what, make in FILES.items():
        for where in READERS if what in ('empty', 'half', 'command', 'pipe', 'not-there') else FEW:
            yield _input(what, where, make)
    for share in (.02, .1, .3, .7, .95, .999):
        for where in FEW:
            yield _input(f'cut-at-{share}', where, functools.partial(_cut, share=share))
    for i in range(8):
        for where in rng.sample(FEW, 4):
            yield _input(f'bytes-changed-{i}', where, _flip, EITHER, 'not every byte tells that it changed')
    for what, change in WHOLE.items():
        for where in FEW:
            yield _input(what, where, _saved(change))
    for what, change in WEIGHTS.items():
        for where in COMPUTING:
            expected = EITHER if where in ('convert', ) or what in LENIENT else REFUSED
            yield _input(what, where, _saved(change), expected,
                         'a part of them may suffice' if expected == EITHER else '')
    for what, change in NOTES.items():
        for where in ('predict-classify', 'test-classify', 'inspect', 'train-resume', 'convert', 'train-load_from'):
            expected = REFUSED if where in WRONG_FOR.get(what.partition('-')[0], ()) else EITHER
            yield _input(what, where, _saved(change), expected, '' if expected == REFUSED else 'it need not be read')
    for where in READERS:
        yield _input('unreadable', where, lambda path, place, good: (path.write_bytes(good.read_bytes()),
                                                                     path.chmod(0)), skipped=NO_PERMISSIONS)
    yield from _latest()


def _input(what: str, where: str, make: Callable, expected: str = REFUSED, why: str = '',
           skipped: str = '') -> BadInput:
    return BadInput('checkpoints', what, where, functools.partial(_with, make, where),
                    ('m.pth', *(('Gradio', ) if where == 'demo' else ())), expected, why, skipped)


def _with(make: Callable, where: str, place: Place) -> Sequence[object]:
    path = place.inputs / 'm.pth'
    make(path, place, place.stock.model(READERS[where]))
    return _line(where, path, place)


def _line(where: str, path: Path, place: Place) -> Sequence[object]:
    stock = place.stock
    command, _, road = where.partition('-')
    if where == 'train-start':
        return stock.train('classify', options=[f'checkpoint={path}'])
    if where == 'train-load_from':
        return stock.train('pretrain', options=[f'load_from={path}'])
    if where == 'train-resume':
        return stock.train('pretrain', more=['--resume', path])
    if command in ('test', ):
        return stock.test(road, checkpoint=path)
    if command in ('predict', 'features'):
        return getattr(stock, command)(road, stock.root / 'images', checkpoint=path)
    if command in stock.PICTURES:
        return stock.picture(command, stock.root / 'images', checkpoint=path)
    if command == 'evaluate':
        return stock.evaluate(checkpoint=path)
    if command == 'export':
        return ['export', 'finetune/vit_folder', path, 'model.pt2', *stock.options('classify')]
    return {'inspect': ['inspect', path], 'demo': ['demo', path], 'convert': ['convert', path, 'converted.pth']}.get(
        where) or stock.frozen(command, checkpoint=path)


def _cut(path: Path, place: Place, good: Path, share: float = .5) -> None:
    content = good.read_bytes()
    path.write_bytes(content[:int(len(content) * share)])


def _flip(path: Path, place: Place, good: Path) -> None:
    content = bytearray(good.read_bytes())
    for _ in range(8):
        content[place.rng.randrange(len(content))] = place.rng.randrange(256)
    path.write_bytes(content)


def _saved(change: Change) -> Callable:
    def make(path: Path, place: Place, good: Path) -> None:
        checkpoint = torch.load(good, weights_only=True)
        changed = change(checkpoint, place)
        torch.save(checkpoint if changed is None else changed, path)
    return make


def _content(content: bytes) -> Callable:
    return lambda path, place, good: path.write_bytes(content)


def _of_another_hash(path: Path, place: Place, good: Path) -> None:
    path.write_bytes(good.read_bytes())
    Path(f'{path}.sha256').write_text(f'{"0" * 64}  m.pth\n')


def _zip(path: Path, place: Place, good: Path) -> None:
    with zipfile.ZipFile(path, 'w') as file:
        file.writestr('readme.txt', 'no weights')


def _plain_command(path: Path, place: Place, good: Path) -> None:
    path.write_bytes(pickle.dumps(Call(open, str(place.marker), 'w')))


def _legacy_command(path: Path, place: Place, good: Path) -> None:
    torch.save({'state_dict': {}, 'meta': Call(open, str(place.marker), 'w')}, path,
               _use_new_zipfile_serialization=False)


FILES: dict[str, Callable] = {
    'empty': _content(b''), 'text': _content(b'<html>not found</html>'), 'zeros': _content(bytes(5000)),
    'half': _cut, 'another-zip': _zip, 'other-hash': _of_another_hash,
    'plain-command': _plain_command, 'legacy-command': _legacy_command,
    'command': _saved(lambda checkpoint, place: {**checkpoint, 'x': Call(os.system, f'touch {place.marker}')}),
    'command-in-meta': _saved(lambda checkpoint, place: {**checkpoint, 'meta': {'x': [Call(
        exec, f'open({str(place.marker)!r}, "w")')]}}),
    'pipe': lambda path, place, good: os.mkfifo(path), 'folder': lambda path, place, good: path.mkdir(),
    'link-to-itself': lambda path, place, good: path.symlink_to('m.pth'),
    'link-to-nothing': lambda path, place, good: path.symlink_to('nowhere.pth'),
    'not-there': lambda path, place, good: None,
    'device': lambda path, place, good: path.symlink_to('/dev/zero'),
}
# The whole checkpoint is something else.
WHOLE: dict[str, Change] = {
    'list': lambda c, p: [1, 2], 'number': lambda c, p: 3, 'string': lambda c, p: 'weights', 'tensor': lambda c, p:
    torch.zeros(3), 'dict-empty': lambda c, p: {}, 'weights-none': lambda c, p: {**c, 'state_dict': None},
    'weights-list': lambda c, p: {**c, 'state_dict': [torch.zeros(2)]},
    'weights-empty': lambda c, p: {**c, 'state_dict': {}},
    'weights-of-numbers': lambda c, p: {**c, 'state_dict': {'backbone.cls_token': 3}},
    'weights-with-number-names': lambda c, p: {**c, 'state_dict': {3: torch.zeros(2)}},
    'weights-of-nobody': lambda c, p: {**c, 'state_dict': {'conv1.weight': torch.zeros(3, 3)}},
    'meta-alone': lambda c, p: {'meta': c['meta']},
}


def _each(change: Callable[[torch.Tensor], torch.Tensor], of: str = '') -> Change:
    def apply(checkpoint: dict, place: Place) -> dict:
        weights = {name: change(value) if of in name and value.is_floating_point() else value
                   for name, value in checkpoint['state_dict'].items()}
        return {**checkpoint, 'state_dict': weights}
    return apply


def _without(part: str) -> Change:
    return lambda c, p: {**c, 'state_dict': {name: value for name, value in c['state_dict'].items()
                                             if part not in name}}


def _with_more(checkpoint: dict, place: Place) -> dict:
    return {**checkpoint, 'state_dict': {**checkpoint['state_dict'], 'backbone.layers.9.ln1.weight': torch.ones(16)}}


WEIGHTS: dict[str, Change] = {
    'nan': _each(lambda tensor: torch.full_like(tensor, float('nan'))),
    'nan-in-one': _each(lambda tensor: torch.full_like(tensor, float('nan')), 'layers.0.attn.qkv.weight'),
    'infinite': _each(lambda tensor: torch.full_like(tensor, float('inf')), 'layers.1.ln1.weight'),
    'complex': _each(lambda tensor: tensor.to(torch.complex64)),
    'wider': _each(lambda tensor: torch.cat([tensor, tensor], -1)),
    'flat': _each(lambda tensor: tensor.flatten()), 'no-numbers': _each(lambda tensor: tensor[:0]),
    'without-class-token': _without('cls_token'), 'without-a-layer': _without('layers.1.'),
    'without-patches': _without('patch_embed'), 'with-one-layer-more': _with_more, 'without-head': _without('head.'),
    'integers': _each(lambda tensor: tensor.to(torch.int32)),
}
LENIENT = ('without-head', 'integers')


def _latest() -> Iterator[BadInput]:
    """``--resume`` without a name, in a work dir whose newest checkpoint is damaged: the one before is used."""
    spoilt = {'empty': FILES['empty'], 'half': _cut, 'pipe': FILES['pipe'], 'folder': FILES['folder'],
              'link-to-itself': FILES['link-to-itself'], 'command': FILES['command'],
              **{name: _saved(NOTES[name]) for name in NOTES if name.partition('-')[0] in (
                  'meta', 'epoch', 'optimizer', 'hub', 'schedulers', 'iter')}}
    for what, make in spoilt.items():
        yield BadInput('checkpoints', f'newest-{what}', 'train-pretrain', functools.partial(_resumed, make, b''),
                       ('epoch_2.pth', ), ACCEPTED if what not in FINE_TO_GO_ON else EITHER,
                       'the one before is used, and said')
    notes = {'garbage': b'\xff\x00garbage', 'empty': b'', 'of-nothing': b'epoch_9.pth', 'path': b'/etc/passwd',
             'long': b'x' * 10_000, 'zero-byte': b'epoch_1.pth\0', 'above': b'../../epoch_1.pth', 'folder': None}
    for what, note in notes.items():
        yield BadInput('checkpoints', f'last_checkpoint-{what}', 'train-pretrain',
                       functools.partial(_resumed, None, note), (), ACCEPTED, 'the newest of the work dir is used')
    for what, make in (('empty', FILES['empty']), ('command', FILES['command'])):
        yield BadInput('checkpoints', f'all-{what}', 'train-pretrain',
                       functools.partial(_resumed, make, None, make), ('epoch_1.pth', 'run'), REFUSED)


FINE_TO_GO_ON = ('meta-empty', 'schedulers-empty', 'iter-huge', 'folder')  # may be refused, too


def _resumed(newest: Callable | None, note: bytes | None, older: Callable | None, place: Place | None = None
             ) -> Sequence[object]:
    if place is None:
        place, older = older, None  # type: ignore[assignment]
    assert place is not None
    work_dir = place.out / 'run'
    work_dir.mkdir()
    good = place.stock.model('pretrain')
    for name, make in (('epoch_1.pth', older), ('epoch_2.pth', newest)):
        if make is not None:
            (work_dir / name).unlink(missing_ok=True)
            make(work_dir / name, place, good)
        elif name == 'epoch_1.pth':
            (work_dir / name).write_bytes(good.read_bytes())
    if note is None:
        (work_dir / 'last_checkpoint').mkdir()
    elif note:
        (work_dir / 'last_checkpoint').write_bytes(note)
    return place.stock.train('pretrain', more=['--resume'])


