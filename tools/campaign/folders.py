"""Folders of classes, images and scenes that are not what they should be, and lists of files."""
import functools
import json
import os
import random
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from .inputs import ACCEPTED, EITHER, NO_PERMISSIONS, REFUSED, BadInput, Place
from .pictures import line, whole

Change = Callable[[Path], object]  # of a copy of good data; what it returns takes the data's place
Case = tuple[str, Change, tuple[str, ...], str]  # what, change, names, expected
CLASSIFY = ('train-classify', 'check-classify', 'test-classify', 'knn', 'probe')
PRETRAIN = ('train-pretrain', 'check-pretrain', 'predict-classify', 'features-pretrain', 'stats')
SEGMENT = ('train-segment', 'check-segment', 'test-segment')
LEFT_OUT = 'what is no class or no image is left out'
PNG = whole('png')


def write(path: str, content: bytes | str) -> Change:
    def change(data: Path) -> None:
        (data / path).parent.mkdir(parents=True, exist_ok=True)
        (data / path).write_bytes(content if isinstance(content, bytes) else content.encode())
    return change


def remove(*paths: str) -> Change:
    def change(data: Path) -> None:
        for path in paths:
            shutil.rmtree(data / path) if (data / path).is_dir() else (data / path).unlink()
    return change


def empty(*paths: str) -> Change:
    def change(data: Path) -> None:
        for path in paths:
            shutil.rmtree(data / path)
            (data / path).mkdir(parents=True)
    return change


def both(*changes: Change) -> Change:
    def change(data: Path) -> None:
        for one in changes:
            one(data)
    return change


def instead(path: str) -> Change:
    """Another data root."""
    return lambda data: data.parent / path if path else ''


def keep(pattern: str, count: int) -> Change:
    """Remove all files of a pattern but so many."""
    def change(data: Path) -> None:
        for path in sorted(data.glob(pattern))[count:]:
            path.unlink()
    return change


def pipe(path: str) -> Change:
    return lambda data: os.mkfifo(data / path)


def link(path: str, target: str) -> Change:
    return lambda data: (data / path).symlink_to(target)


def folder(path: str) -> Change:
    return lambda data: (data / path).mkdir(parents=True)


def no_folder(data: Path) -> Path:
    path = data.parent / 'a-file'
    path.write_text('no folder')
    return path


def pipe_as_root(data: Path) -> Path:
    os.mkfifo(data.parent / 'a-pipe')
    return data.parent / 'a-pipe'


def loop_as_root(data: Path) -> Path:
    (data.parent / 'a-loop').symlink_to('a-loop')
    return data.parent / 'a-loop'


def flat(data: Path) -> Path:
    """Classes without splits."""
    return data / 'train'


ROOTS: list[Case] = [
    ('root-not-there', instead('nowhere'), ('nowhere', ), REFUSED),
    ('root-is-a-file', no_folder, ('a-file', ), REFUSED),
    ('root-is-a-pipe', pipe_as_root, ('a-pipe', ), REFUSED),
    ('root-is-a-link-to-itself', loop_as_root, ('a-loop', ), REFUSED),
]
CLASSES: list[Case] = [
    *ROOTS,
    ('no-classes', both(remove('train', 'val'), write('a.png', PNG)), ('class folders', ), REFUSED),
    ('nothing', remove('train', 'val'), ('class folders', ), REFUSED),
    ('one-class', remove('train/dog', 'val/dog'), ('class folder', ), REFUSED),
    ('one-class-in-training', remove('train/dog'), ('dog', 'class folder'), REFUSED),
    ('train-without-val', remove('val'), ('val', ), REFUSED),
    ('val-without-train', remove('train'), ('train', ), REFUSED),
    ('class-without-images', empty('train/dog', 'val/dog'), ('dog', ), REFUSED),
    ('class-of-text', both(empty('train/dog', 'val/dog'), write('train/dog/a.txt', 'no image')), ('dog', ), REFUSED),
    ('class-in-validation-alone', write('val/fox/1.png', PNG), ('fox', ), REFUSED),
    ('images-in-both', both(remove('val'), link('val', 'train')), ('train', 'val'), EITHER),
    ('class-is-a-link-to-nothing', both(remove('train/dog', 'val/dog'), link('train/dog', 'no')), ('dog', ' class'),
     REFUSED),
    ('stray-images', write('train/stray.png', b''), (), ACCEPTED),
    ('hidden-class', write('train/.hidden/1.png', b''), (), ACCEPTED),
    ('link-to-a-folder-above', link('train/cat/up', '..'), (), EITHER),
]
FLAT: list[Case] = [  # without train and val, of which a share is held out
    ('flat-one-image-a-class', both(keep('train/cat/*', 1), flat), ('cat', ), REFUSED),
    ('flat-one-class', both(remove('train/dog'), flat), ('class folder', ), REFUSED),
]
IMAGES: list[Case] = [
    *ROOTS,
    ('nothing', keep('*', 0), ('images', ), REFUSED),
    ('text-alone', both(keep('*', 0), write('a.txt', 'no image')), ('images', ), REFUSED),
    ('gif-alone', both(keep('*', 0), write('a.gif', b'GIF89a')), ('images', ), REFUSED),
    ('pipe-alone', both(keep('*', 0), pipe('a.png')), ('images', 'a.png'), REFUSED),
    ('link-to-itself-alone', both(keep('*', 0), link('a.png', 'a.png')), ('images', 'a.png'), REFUSED),
    ('text-beside', write('a.txt', 'no image'), (), ACCEPTED),
    ('folder-that-links-to-itself', link('up', 'up'), ('up', ), EITHER),
    ('folder-that-links-above', link('up', '.'), (), ACCEPTED),
]
ONE_IMAGE: list[Case] = [('one-image', keep('*', 1), ('images', ), REFUSED)]


def inputs(rng: random.Random) -> Iterator[BadInput]:
    for road, places, cases in (('classify', CLASSIFY, CLASSES), ('pretrain', PRETRAIN, IMAGES),
                                ('pretrain', PRETRAIN[:2], ONE_IMAGE), ('segment', SEGMENT, SCENES),
                                ('segment', SEGMENT, LISTS), ('segment', SEGMENT, CLASS_FILES)):
        for what, change, names, expected in cases:
            for where in places:
                yield _input(what, road, where, change, names, expected)
    for what, change, names, expected in FLAT:
        for where in CLASSIFY:
            yield _input(what, 'classify', where, lambda data, change=change: change(data) or flat(data), names,
                         expected)
    for where in (*CLASSIFY, *PRETRAIN, *SEGMENT):
        road = {'knn': 'classify', 'probe': 'classify', 'stats': 'pretrain'}.get(where, where.partition('-')[2])
        road = 'pretrain' if where.startswith(('predict', 'features')) else road
        yield BadInput('folders', 'unreadable', where, lambda place: (), (), skipped=NO_PERMISSIONS) if (
            NO_PERMISSIONS) else _input('unreadable', road, where, lambda data: data.chmod(0), ('', ), REFUSED)
    yield from _annotations()


def _input(what: str, road: str, where: str, change: Change, names: tuple[str, ...], expected: str) -> BadInput:
    why = '' if expected == REFUSED else LEFT_OUT
    return BadInput('folders', what, where, functools.partial(_changed, road, where, change), names, expected, why)


def _changed(road: str, where: str, change: Change, place: Place) -> Sequence[object]:
    data = place.stock.copy(road, place.inputs)
    told = change(data)
    return line(place, where, told if isinstance(told, Path) else data)


TEXT = {split: '\n'.join(f'{split}/{i}' for i in numbers) for split, numbers in (('train', range(4)), ('val', (4, 5)))}


def listed(train: bytes | str = TEXT['train'], val: bytes | str = TEXT['val']) -> Change:
    return both(write('train.txt', train), write('val.txt', val))


SCENES: list[Case] = [
    *ROOTS,
    ('no-images-folder', remove('images'), ('images', ), REFUSED),
    ('no-labels-folder', remove('labels'), ('labels', ), REFUSED),
    ('nothing', remove('images', 'labels', 'classes.txt'), ('images', ), REFUSED),
    ('images-empty', empty('images/train', 'images/val'), ('images', ), REFUSED),
    ('labels-empty', empty('labels/train', 'labels/val'), ('labels', ), REFUSED),
    ('labels-without-val', remove('labels/val'), ('val', ), REFUSED),
    ('images-is-a-file', both(remove('images'), write('images', 'no folder')), ('images', ), REFUSED),
    ('images-is-a-link-to-itself', both(remove('images'), link('images', 'images')), ('images', ), REFUSED),
    ('labels-are-the-images', both(remove('labels'), link('labels', 'images')), ('labels', ), REFUSED),
]
LISTS: list[Case] = [
    ('list-of-training-alone', write('train.txt', TEXT['train']), ('val.txt', ), REFUSED),
    ('list-empty', listed(b'', b''), ('.txt', ), REFUSED),
    ('list-of-spaces', listed(' \n \n', ' \n'), ('.txt', ), REFUSED),
    ('list-of-names-that-are-not-there', listed('train/0\nnowhere', 'val/4\nnowhere'), ('nowhere', ), REFUSED),
    ('list-of-bytes', listed(bytes(range(256)), bytes(range(256))), ('.txt', ), REFUSED),
    ('list-of-zero-bytes', listed(bytes(100), bytes(100)), ('.txt', ), REFUSED),
    ('list-in-utf16', listed(TEXT['train'].encode('utf-16'), TEXT['val'].encode('utf-16')), ('.txt', ), REFUSED),
    ('list-with-labels', listed('train/0 1\ntrain/1 0', 'val/4 1'), ('.txt', ), REFUSED),
    ('list-of-absolute-paths', listed('/etc/passwd', '/etc/passwd'), ('/etc/passwd', ), REFUSED),
    ('list-of-paths-above', listed('../../x', '../../x'), ('../../x', ), REFUSED),
    ('list-of-both', listed(TEXT['train'], TEXT['train']), ('train.txt', ), REFUSED),
    ('list-is-a-folder', both(folder('train.txt'), folder('val.txt')), ('.txt', ), REFUSED),
    ('list-is-a-pipe', both(pipe('train.txt'), pipe('val.txt')), ('.txt', ), REFUSED),
    ('list-of-one-long-line', listed('x' * 100_000, 'y' * 100_000), ('.txt', ), REFUSED),
    ('list-with-crlf-and-bom', listed(b'\xef\xbb\xbf' + TEXT['train'].replace('\n', '\r\n').encode(), TEXT['val']), (),
     ACCEPTED),
    ('list-with-suffixes', listed(TEXT['train'].replace('\n', '.png\n'), TEXT['val']), (), ACCEPTED),
    ('list-with-duplicates', listed(TEXT['train'] + '\ntrain/0', TEXT['val']), (), ACCEPTED),
]
NAMES = 'background\nsquare\ndisc\n'
CLASS_FILES: list[Case] = [
    ('classes-empty', write('classes.txt', ''), ('classes.txt', ), REFUSED),
    ('classes-one', write('classes.txt', 'background'), ('classes.txt', ), REFUSED),
    ('classes-two-of-three', write('classes.txt', 'background\nsquare'), ('label 2', ), REFUSED),
    ('classes-twice', write('classes.txt', NAMES + 'disc'), ('disc', ), REFUSED),
    ('classes-of-bytes', write('classes.txt', bytes(range(256))), ('classes.txt', ), REFUSED),
    ('classes-colour-256', write('classes.txt', 'a 0 0 256\nb 0 0 1\nc 0 0 2'), ('256', ), REFUSED),
    ('classes-colour-of-floats', write('classes.txt', 'a 0 0 .5\nb 0 0 1\nc 0 0 2'), ('classes.txt', ), REFUSED),
    ('classes-colours-twice', write('classes.txt', 'a 0 0 1\nb 0 0 1\nc 0 0 2'), ('colour', ), REFUSED),
    ('classes-some-colours', write('classes.txt', 'a 0 0 1\nb\nc 0 0 2'), ('colour', ), REFUSED),
    ('classes-300', write('classes.txt', '\n'.join(map(str, range(300)))), ('classes.txt', ), REFUSED),
    ('classes-twice-told', write('classes.json', '["a", "b", "c"]'), ('classes.json', ), REFUSED),
    *[(f'classes-json-{what}', both(remove('classes.txt'), write('classes.json', text)), ('classes.json', ), REFUSED)
      for what, text in (('cut', '["a", '), ('of-numbers', '[1, 2, 3]'), ('null', 'null'), ('number', '3'),
                         ('of-few-colours', '{"classes": ["a", "b", "c"], "palette": [[1, 2, 3]]}'),
                         ('of-no-colour', json.dumps(dict(a=1, b=2, c=3))), ('deep', '[' * 100_000),
                         ('of-text-colours', json.dumps(dict(a='xyz', b='xyz', c='xyz'))))],
    ('classes-is-a-folder', both(remove('classes.txt'), folder('classes.txt')), ('classes.txt', ), REFUSED),
    ('classes-is-a-pipe', both(remove('classes.txt'), pipe('classes.txt')), ('classes.txt', ), REFUSED),
    ('classes-with-crlf-and-bom', write('classes.txt', b'\xef\xbb\xbf' + NAMES.replace('\n', '\r\n').encode()), (),
     ACCEPTED),
]
ANNOTATIONS = {
    'not-there': None, 'empty': b'', 'of-bytes': bytes(range(256)), 'of-spaces': b'  \n\n ',
    'of-names-that-are-not-there': b'nowhere.png 0\nnobody.png 1', 'of-text-labels': b'cat/0.png cat\ndog/0.png dog',
    'of-negative-labels': b'cat/0.png -1\ndog/0.png 0', 'of-large-labels': b'cat/0.png 0\ndog/0.png 99',
    'without-labels': b'cat/0.png\ndog/0.png', 'of-half-a-line': b'cat/0.png 0\n0', 'of-zero-bytes': bytes(50),
}


def _annotations() -> Iterator[BadInput]:
    """Lists that the setting ``ann_file`` of a data set names."""
    for what, text in ANNOTATIONS.items():
        for road in ('classify', 'pretrain', 'segment'):
            names = ('list.txt', 'nowhere.png', 'cat/0.png', '-1', '99')
            fine = road == 'pretrain' and what in ('without-labels', )
            why = 'they are no images of this folder, or labels are not read' if road == 'pretrain' else ''
            yield BadInput('folders', f'annotations-{what}', f'train-{road}',
                           functools.partial(_annotated, road, text), names, EITHER if fine else REFUSED,
                           why if fine else '')


def _annotated(road: str, text: bytes | None, place: Place) -> Sequence[object]:
    path = place.inputs / 'list.txt'
    if text is not None:
        path.write_bytes(text)
    options = [f'train_dataloader.dataset.ann_file={path}']
    if road == 'classify':
        options += ['train_dataloader.dataset.split=None', 'train_dataloader.dataset.data_prefix=train']
    return place.stock.train(road, options=options)
