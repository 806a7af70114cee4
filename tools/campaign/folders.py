"""Folders of classes, images and scenes that are not what they should be, and lists of files."""
import functools
import random
from collections.abc import Iterator, Sequence
from pathlib import Path

from .changes import (
    PNG,
    ROOTS,
    Case,
    Change,
    both,
    empty,
    flat,
    keep,
    link,
    pipe,
    remove,
    write,
)
from .inputs import ACCEPTED, EITHER, NO_PERMISSIONS, REFUSED, BadInput, Place
from .pictures import line
from .scene_lists import CLASS_FILES, LISTS, SCENES

CLASSIFY = ('train-classify', 'check-classify', 'test-classify', 'knn', 'probe')
PRETRAIN = ('train-pretrain', 'check-pretrain', 'predict-classify', 'features-pretrain', 'stats')
SEGMENT = ('train-segment', 'check-segment', 'test-segment')
LEFT_OUT = 'what is not a class or no image is left out'
CLASSES: list[Case] = [
    *ROOTS,
    ('no-classes', both(remove('train', 'val'), write('a.png', PNG)), ('class folders', ), REFUSED),
    ('nothing', remove('train', 'val'), ('class folders', 'images'), REFUSED),
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
            names = ('list.txt', 'nowhere.png', 'cat/0.png', 'dog/0.png', '-1', '99')
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
