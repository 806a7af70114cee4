"""Commands with arguments that are missing, wrong or contradict each other, and outputs that cannot be."""
import functools
import os
import random
from collections.abc import Iterator, Sequence
from pathlib import Path

from .inputs import ACCEPTED, BadInput, Place
from .outputs import WRITERS, Line, case, good, outputs
from .stock import ROADS, Stock

ALL = ('train', 'check', 'test', 'predict', 'features', 'knn', 'probe', 'stats', 'export', 'convert', 'inspect',
       *Stock.PICTURES, 'curves', 'demo', 'evaluate', 'download', 'shards')
PRETRAIN, CLASSIFY, SEGMENT = (ROADS[road][0] for road in ('pretrain', 'classify', 'segment'))


def inputs(rng: random.Random) -> Iterator[BadInput]:
    for command in ALL:
        if command != 'download':  # which lists the names then
            yield case(f'{command}-without-arguments', command, lambda stock, folder, c=command: [c],
                       ('argument', 'there is no checkpoint', 'Gradio'))
        yield case(f'{command}-unknown-option', command, lambda stock, folder, c=command: [
            *good(c, stock), '--no-such-option'], ('no-such-option', ))
        yield case(f'{command}-option-twice', command, lambda stock, folder, c=command: [
            *good(c, stock), 'one-more', 'and-more'], ('one-more', 'and-more', 'no such', 'Gradio'))
    for what, argv in NO_COMMAND.items():
        yield case(what, 'none', lambda stock, folder, argv=argv: argv, ())
    for what, (where, line, names) in LINES.items():
        yield case(what, where, line, names, *FINE.get(what, ()))
    for command in WRITERS:
        yield from outputs(command)
    for name in ('predict', 'features', 'stats', 'check', 'train', 'test', 'knn'):
        yield from _missing(name)
    for script, arguments in (('dist_train.sh', [PRETRAIN]), ('dist_test.sh', [CLASSIFY, 'nowhere.pth'])):
        for number in ('0', '-1', 'two', '1.5', '', '2x', '99999999999999999999'):
            yield BadInput('commands', f'processes-{number or "empty"}', script, functools.partial(
                _script, [*arguments, number]), ('GPUS', number or 'GPUS'), script=script)


def _script(arguments: Sequence[object], place: Place) -> Sequence[object]:
    return arguments


FINE = {'export-pre-training': (ACCEPTED, 'the last map of its encoder, as docs/export.md says')}
NO_COMMAND: dict[str, list[str]] = {
    'unknown-subcommand': ['trian'], 'no-subcommand': [''], 'option-as-subcommand': ['--train'],
    'number-as-subcommand': ['3'], 'subcommand-of-bytes': ['\udcff']}


def _more(command: str, *more: object) -> Line:
    return lambda stock, folder: [*good(command, stock)[:1], *more_first(command, stock, more)]


def more_first(command: str, stock: Stock, more: Sequence[object]) -> list[object]:
    """A command's arguments with others before ``--cfg-options``, which takes all that follows."""
    argv = good(command, stock)[1:]
    place = argv.index('--cfg-options') if '--cfg-options' in argv else len(argv)
    return [*argv[:place], *more, *argv[place:]]


LINES: dict[str, tuple[str, Line, tuple[str, ...]]] = {
    **{f'device-{name}': (command, _more(command, '--device', name), ('device', name))
       for command, name in (('predict', 'cuda:99'), ('features', 'nonsense'), ('predict', 'meta'), ('predict', ''))},
    'dtype': ('predict', _more('predict', '--dtype', 'int8'), ('dtype', )),
    **{f'opacity-{value}': ('predict', _more('predict', '--opacity', value), ('opacity', ))
       for value in ('2', '-1', 'nan', 'some')},
    **{f'topk-{value}': ('predict', _more('predict', '--topk', value), ('topk', )) for value in ('0', '-1', 'x')},
    **{f'batch-size-{value}-{command}': (command, _more(command, '--batch-size', value), ('batch', ))
       for value in ('0', '-1', 'x', '1.5') for command in ('predict', 'features')},
    **{f'layers-{value}': ('features', _more('features', '--layers', value), ('layer', ))
       for value in ('99', '-99', 'x', '1.5')},
    'kind': ('features', _more('features', '--kind', 'nonsense'), ('kind', )),
    **{f'k-{value}': ('knn', _more('knn', '-k', value), ('-k', 'neighbours', value))
       for value in ('0', '-1', '1000', 'x')},
    **{f'temperature-{value}': ('knn', _more('knn', '--temperature', value), ('temperature', ))
       for value in ('0', '-1', 'nan', 'x', 'inf')},
    **{f'seed-{value}': ('knn', _more('knn', 'untrained', '--seed', value), ('seed', )) for value in ('x', '1.5')},
    **{f'size-{"x".join(value)}': ('export', _more('export', '--size', *value), ('size', ' image', 'patch'))
       for value in (('0', '0'), ('-8', '16'), ('15', '16'), ('16', ), ('x', 'y'))},
    **{f'tolerance-{value}': ('export', _more('export', '--tolerance', value), ('tolerance', ))
       for value in ('-1', 'nan', 'x', '0')},
    'opset': ('export', _more('export', '--opset', '99'), ('opset', )),
    'size-and-dynamic': ('export', _more('export', '--dynamic', '--size', '16', '16'), ('size', )),
    'export-suffix': ('export', lambda stock, folder: good('export', stock, 'model.exe'), ('model.exe', )),
    'export-pre-training': ('export', lambda stock, folder: [
        'export', PRETRAIN, stock.model('pretrain'), 'a.pt2', *stock.options('pretrain')], ()),
    'features-suffix': ('features', lambda stock, folder: good('features', stock, 'features.txt'),
                        ('features.txt', )),
    'convert-to': ('convert', _more('convert', '--to', 'nonsense'), ('--to', )),
    'convert-grid-0': ('convert_huggingface', _more('convert_huggingface', '--grid', '0', '0'), ('grid', )),
    'convert-grid-99': ('convert_huggingface', _more('convert_huggingface', '--grid', '9', '9'), ('grid', )),
    'convert-heads': ('convert', lambda stock, folder: [
        'convert', stock.model('pretrain'), 'folder', '--to', 'huggingface', '--num-heads', '3',
        '--decoder-num-heads', '2'], ('heads', )),
    'convert-heads-unknown': ('convert', lambda stock, folder: [
        'convert', stock.model('pretrain'), 'folder', '--to', 'huggingface', '--num-heads', '0'], ('heads', )),
    'convert-a-segmentor-to-official': ('convert', lambda stock, folder: [
        'convert', stock.model('segment'), 'a.pth', '--to', 'official'], ('iter_2.pth', )),
    'test-eval-of-a-classifier': ('test', _more('test', '--eval', 'mIoU'), ('eval', )),
    'test-eval': ('test', _more('test', '--eval', 'nonsense'), ('eval', )),
    'test-on': ('test', _more('test', '--on', 'nonsense'), ('--on', )),
    'test-on-imagenet-a': ('test', _more('test', '--on', 'imagenet-a'), ('classes', 'image', 'folder')),
    'test-tta': ('test', _more('test', '--tta'), ('tta', )),
    'test-launcher': ('test', _more('test', '--launcher', 'slurm'), ('slurm', 'SLURM', 'launcher')),
    'train-launcher': ('train', _more('train', '--launcher', 'pytorch'), ('launcher', 'dist_train.sh')),
    'train-launcher-mpi': ('train', _more('train', '--launcher', 'mpi'), ('launcher', 'mpi')),
    'train-launcher-nonsense': ('train', _more('train', '--launcher', 'nonsense'), ('launcher', )),
    'train-vis': ('train', _more('train', '--vis', 'nonsense'), ('vis', )),
    'train-resume-nothing': ('train', _more('train', '--resume'), ('run', )),
    'train-resume-nowhere': ('train', _more('train', '--resume', 'nowhere.pth'), ('nowhere.pth', )),
    'test-of-another-model': ('test', lambda stock, folder: stock.test('classify', checkpoint=stock.model('segment')),
                              ('iter_2.pth', )),
    'test-of-pre-training': ('test', lambda stock, folder: stock.test('classify', checkpoint=stock.model('pretrain')),
                             ('epoch_1.pth', )),
    'predict-by-pre-training': ('predict', lambda stock, folder: stock.predict('pretrain', stock.root / 'images'),
                                ('epoch_1.pth', )),
    'knn-of-segmentation': ('knn', lambda stock, folder: [
        'knn', SEGMENT, stock.model('pretrain'), *stock.options('segment')], ('classifier', )),
    'check-segmentation-as-classes': ('check', lambda stock, folder: stock.check(
        'classify', stock.root / 'images'), ('class folder', 'images')),
    'predict-config-alone': ('predict', lambda stock, folder: ['predict', CLASSIFY], ('images', 'checkpoint')),
    'predict-without-images': ('predict', lambda stock, folder: ['predict', stock.model('classify')], ('images', )),
    'predict-options-without-config': ('predict', lambda stock, folder: stock.predict(
        'classify', stock.root / 'images', more=['--cfg-options', 'img_size=16']), ('cfg_options', 'config')),
    **{f'{command}-{option}-{value}': (command, _more(command, f'--{option}', *value.split()), names)
       for command, option, values, names in (
           ('reconstruct', 'mask', ('nonsense', 'nowhere.png', '/dev/null'), ('nonsense', 'nowhere', '/dev/null')),
           ('reconstruct', 'mask-ratio', ('2', '-1', 'nan', 'x', '0', '1'), ('mask_ratio', 'mask-ratio')),
           ('reconstruct', 'seed', ('x', '1.5'), ('seed', )), ('reconstruct', 'pictures', ('0', '-1'), ('pictures', )),
           ('reconstruct', 'statistics', ('nonsense', ), ('statistics', )),
           ('reconstruct', 'bands', ('0 1 2', '99'), ('bands', )),
           ('attention', 'layers', ('99', 'x'), ('layer', )), ('attention', 'heads', ('99', '-1'), ('head', )),
           ('attention', 'patch', ('99 99', '-1 0', '1'), ('patch', )),
           ('attention', 'token', ('7', '-1'), ('token', )),
           ('pca', 'layer', ('99', 'x'), ('layer', )), ('pca', 'pictures', ('0', ), ('pictures', )),
           ('curves', 'keys', ('nonsense', ), ('nonsense', )), ('curves', 'out', ('curves.gif', ), ('curves.gif', )),
           ('demo', 'seconds', ('0', '-1', 'nan', 'x'), ('seconds', )),
           ('demo', 'port', ('x', '99999999', '-1'), ('port', 'Gradio')),
           ('demo', 'examples', ('nowhere.png', ), ('nowhere.png', 'Gradio')),
           ('demo', 'device', ('nonsense', ), ('nonsense', 'Gradio')),
           ('evaluate', 'on', ('nonsense', 'nonsense:nowhere', 'folder:nowhere', 'folder:'), ('nonsense', 'folder')),
           ('evaluate', 'probes', ('nonsense', ), ('nonsense', )), ('evaluate', 'layers', ('99', 'x'), ('layer', )),
           ('evaluate', 'shots', ('0', 'x', '200%'), ('shots', )), ('evaluate', 'seeds', ('0', ), ('seeds', )),
           ('evaluate', 'img-size', ('7', '0', 'x', '8,8,8'), ('img-size', 'image', 'size')),
           ('evaluate', 'cache-size', ('x', '-1GB'), ('cache-size', )),
           ('evaluate', 'pictures', ('-1', ), ('pictures', )),
           ('shards', 'shard-mb', ('0', '-1', 'x'), ('shard-mb', ))) for value in values},
    'curves-of-nothing': ('curves', lambda stock, folder: ['curves', folder], ('inputs', )),
    'curves-nowhere': ('curves', lambda stock, folder: ['curves', 'nowhere'], ('nowhere', )),
    'attention-bias': ('attention', lambda stock, folder: [
        'attention', stock.model('pretrain'), '--bias'], ('bias', )),
    **{f'{command}-of-a-segmentor-without-images': (command, lambda stock, folder, c=command: stock.picture(
        c, checkpoint=stock.model('segment')), ('images', )) for command in Stock.PICTURES},
    'reconstruct-by-a-segmentor': ('reconstruct', lambda stock, folder: stock.picture(
        'reconstruct', stock.root / 'images', checkpoint=stock.model('segment')), ('iter_2.pth', )),
    'demo-config-alone': ('demo', lambda stock, folder: ['demo', PRETRAIN], ('config', 'Gradio')),
    'evaluate-nowhere': ('evaluate', lambda stock, folder: stock.evaluate(checkpoint='nowhere.pth'),
                         ('nowhere.pth', )),
    'download-nonsense': ('download', lambda stock, folder: ['download', 'nonsense'], ('nonsense', )),
    'shards-verify-nowhere': ('shards', lambda stock, folder: ['shards', 'verify', 'nowhere'], ('nowhere', )),
    'shards-make-nowhere': ('shards', lambda stock, folder: ['shards', 'make', 'nowhere', 'out'], ('nowhere', )),
    'stats-nodata': ('stats', _more('stats', '--nodata', 'nothing'), ('nodata', )),
    'stats-of-labels': ('stats', lambda stock, folder: ['stats', stock.root / 'classes' / 'none'], ('none', )),
    'predict-two-of-one-name': ('predict', lambda stock, folder: [
        'predict', stock.model('classify'), stock.root / 'classes/train/cat', stock.root / 'classes/train/dog',
        '--out', 'predictions'], ('one name', )),
}


def _missing(command: str) -> Iterator[BadInput]:
    """Files and folders that are not there."""
    for name in ('nowhere', 'no/where', '', ' ', '/dev/null/x', os.sep + 'x' * 300):
        def line(stock: Stock, folder: Path, name: str = name) -> Sequence[object]:
            if command in ('predict', 'features'):
                return getattr(stock, command)('classify', name)
            if command == 'stats':
                return ['stats', name, '--out', 'statistics.json']
            if command == 'knn':
                return stock.frozen('knn', name)
            return getattr(stock, command)('classify', name)

        yield case(f'data-{name[:20].replace(os.sep, "|") or "empty"}', command, line,
                     (name.strip()[:20] or 'data_root', 'folder', 'image'))
