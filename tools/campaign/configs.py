"""Words after ``--cfg-options`` that are no settings, and configs that are none."""
import functools
from collections.abc import Iterator, Sequence
from pathlib import Path

from .inputs import EITHER, REFUSED, BadInput, Place
from .stock import ROADS

WORDS = ('img_size', 'img_size=[16', 'img_size=(16', 'img_size=16]', 'img_size=[16)', '=16', '=', '.img_size=16',
         'model..backbone=1', 'model.=1', 'img_size.x.y=1', 'model.backbone.0=1', 'train_pipeline.99.type=Nothing',
         'custom_hooks.99.type=Nothing', 'model.backbone.embed_dims.x=3', '[', 'a b=3', 'img_size=', '--',
         '"img_size=16', 'img_size=[16,[16]', '[]=1', 'img_size==16', 'model=[', '\n=1', 'é=1', '__class__=1',
         'model.__class__=1')
UNBALANCED = ('img_size', 'img_size=[16', '=16', 'img_size=16]')


def inputs() -> Iterator[BadInput]:
    yield from _options()
    yield from _files()


def _options() -> Iterator[BadInput]:
    for i, word in enumerate(WORDS):
        yield BadInput('settings', f'option-{i}-{ascii(word)[1:-1]}', 'train-pretrain',
                       functools.partial(changed, 'train', 'pretrain', word), ('cfg-options', 'img_size', 'argument'),
                       REFUSED)
    for word in UNBALANCED:
        for command, road in (('check', 'classify'), ('test', 'classify'), ('knn', 'knn'), ('probe', 'probe')):
            yield BadInput('settings', f'option-{word}', f'{command}-{road}',
                           functools.partial(changed, command, road, word), ('cfg-options', ))
        yield BadInput('settings', f'option-{word}', 'predict-classify', functools.partial(_to_predict, word),
                       ('cfg-options', ))
        yield BadInput('settings', f'option-{word}', 'export-classify', functools.partial(_to_export, word),
                       ('cfg-options', ))
    yield BadInput('settings', 'option-before-the-others', 'test-classify', _swallowing, ('epoch_1.pth', ))
    yield BadInput('settings', 'option-before-the-others', 'predict-classify', _swallowing_images, ('images', ))
    for values in (('img_size=16', 'img_size=17'), ('img_size=16', 'img_size=16')):
        yield BadInput('settings', f'option-twice-{values[1]}', 'train-pretrain',
                       lambda place, values=values: place.stock.train('pretrain', options=values),
                       ('img_size', '17x17'),
                       EITHER, 'the last one counts')


def _to_predict(word: str, place: Place) -> Sequence[object]:
    stock = place.stock
    return ['predict', ROADS['classify'][0], stock.model('classify'), stock.root / 'images', '--out', 'predictions',
            '--cfg-options', word]


def _to_export(word: str, place: Place) -> Sequence[object]:
    return ['export', ROADS['classify'][0], place.stock.model('classify'), 'model.onnx', '--cfg-options', word]


def _swallowing(place: Place) -> Sequence[object]:
    stock = place.stock
    return ['test', ROADS['classify'][0], *stock.options('classify'), stock.model('classify')]


def _swallowing_images(place: Place) -> Sequence[object]:
    stock = place.stock
    return ['predict', ROADS['classify'][0], stock.model('classify'), *stock.options('classify'),
            stock.root / 'images']


def changed(command: str, road: str, setting: str, place: Place) -> Sequence[object]:
    if command in ('knn', 'probe'):
        return place.stock.frozen(command, options=[setting])
    return getattr(place.stock, command)(road, options=[setting])


BASE = "_base_ = '{base}'\n"
FILES: dict[str, tuple[bytes | str, str]] = {
    'empty': ('', REFUSED), 'bytes': (bytes(range(256)), REFUSED), 'zero-bytes': (bytes(100), REFUSED),
    'half-a-line': (BASE + 'model = dict(', REFUSED), 'raises': (BASE + "raise ValueError('no')", REFUSED),
    'unknown-name': (BASE + 'lr = nothing', REFUSED), 'exits': (BASE + 'import sys\nsys.exit(0)', REFUSED),
    'base-that-is-not-there': ("_base_ = 'nowhere.py'", REFUSED),
    'base-of-itself': ("_base_ = './config.py'", REFUSED),
    'base-that-is-a-number': ('_base_ = 3', REFUSED), 'base-that-is-a-folder': ("_base_ = '.'", REFUSED),
    'json': ('{"model": 3}', REFUSED), 'model-alone': ("model = dict(type='mae_mm.MAE')", REFUSED),
    'model-number': (BASE + 'model = 3', REFUSED), 'loader-number': (BASE + 'train_dataloader = 3', REFUSED),
    'loader-list': (BASE + 'train_dataloader = []', REFUSED),
    'hooks-number': (BASE + 'default_hooks = 3', REFUSED),
    'schedule-number': (BASE + 'param_scheduler = 3', REFUSED),
    'old': (BASE + "fp16 = dict(loss_scale=512.)", REFUSED),
    'old-data': (BASE + 'data = dict(samples_per_gpu=2)', REFUSED), 'unread': (BASE + 'lrr = 3', REFUSED),
    'key-number': (BASE + "model = {{3: 4}}", REFUSED), 'deep': (BASE + 'lr = ' + '(' * 500 + ')' * 500, REFUSED),
    'utf16': ('lr = 3'.encode('utf-16'), REFUSED), 'syntax-of-python-2': (BASE + "print 'a'", REFUSED),
    'imports-nothing': (BASE + 'import nothing_of_this_name', REFUSED),
    'with-bom': (b'\xef\xbb\xbf' + BASE.encode(), EITHER), 'delete': (BASE + 'model = dict(_delete_=True)', REFUSED),
    'hook-number': (BASE + 'custom_hooks = [3]', REFUSED), 'hook-none': (BASE + 'custom_hooks = [None]', REFUSED),
    'imports-string': (BASE + "custom_imports = 'nowhere'", REFUSED),
    'pipeline-of-text': (BASE + "train_dataloader = dict(dataset=dict(pipeline=['a', 'b']))", REFUSED),
}


def _files() -> Iterator[BadInput]:
    for what, (text, expected) in FILES.items():
        every = what in ('empty', 'bytes', 'half-a-line', 'raises')
        for command in ('train', 'check', 'test') if every else ('train', ):
            yield BadInput('settings', f'file-{what}', f'{command}-pretrain',
                           functools.partial(_file, command, text),
                           ('config.py', 'nowhere', 'cfg-options', '3=4', 'model', 'train_dataloader', 'default_hooks',
                            'param_scheduler', 'custom_hooks', 'custom_imports', 'pipeline'), expected,
                           '' if expected == REFUSED else 'Python reads it')
    for what, name in (('folder', '.'), ('nothing', ''), ('misspelt', 'pretrain/mae_vit_foldr'),
                       ('device', '/dev/null'), ('picture', 'm.png'), ('other-suffix', 'config.yaml')):
        yield BadInput('settings', f'name-{what}', 'train-pretrain', functools.partial(_named, name),
                       (name or 'config', ))


def _file(command: str, text: bytes | str, place: Place) -> Sequence[object]:
    path = place.inputs / 'config.py'
    base = str(Path(__file__).resolve().parents[2] / 'configs' / f'{ROADS["pretrain"][0]}.py')
    path.write_bytes(text.replace(b'{base}', base.encode()) if isinstance(text, bytes) else
                     text.format(base=base).encode() if '{base}' in text else text.encode())
    _, _, *rest = getattr(place.stock, command)('pretrain')
    return [command, path, *rest]


def _named(name: str, place: Place) -> Sequence[object]:
    for made, text in (('m.png', b'\x89PNG'), ('config.yaml', b'model: 3')):
        (place.inputs / made).write_bytes(text)
    path = place.inputs / name if name in ('.', 'm.png', 'config.yaml') else name
    _, _, *rest = place.stock.train('pretrain')
    return ['train', path, *rest]


