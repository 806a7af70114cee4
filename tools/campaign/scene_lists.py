"""Folders of scenes, their lists of names and their files of classes."""
import json

from .changes import ROOTS, Case, Change, both, empty, folder, link, pipe, remove, write
from .inputs import ACCEPTED, REFUSED

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
