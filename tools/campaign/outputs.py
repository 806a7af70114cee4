"""Commands that work, and outputs that are their inputs, or cannot be written."""
import functools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from .inputs import NO_PERMISSIONS, REFUSED, BadInput, Place
from .stock import ROADS, Stock

Line = Callable[[Stock, Path], Sequence[object]]  # of the stock, and of a folder of inputs
PRETRAIN, CLASSIFY = (ROADS[road][0] for road in ('pretrain', 'classify'))


def good(command: str, stock: Stock, out: object = None) -> list[object]:
    """A command that works, whose output may be another one."""
    classifier, images = stock.model('classify'), stock.root / 'images'
    return {
        'train': lambda: stock.train('pretrain', work_dir=out or 'run'),
        'check': lambda: [*stock.check('pretrain'), '--out', out or 'report.json'],
        'test': lambda: ['test', CLASSIFY, classifier, '--work-dir', out or 'test', *stock.options('classify')],
        'test_out': lambda: stock.test('classify', more=['--out', out or 'labels']),
        'test_show': lambda: stock.test('classify', more=['--show-dir', out or 'shown']),
        'test_segments': lambda: stock.test('segment', more=['--out', out or 'labels']),
        'predict': lambda: ['predict', classifier, images, '--out', out or 'predictions'],
        'features': lambda: ['features', classifier, images, '--out', out or 'features.npz'],
        'knn': lambda: stock.frozen('knn', more=['--out', out or 'knn.json']),
        'probe': lambda: stock.frozen('probe', more=['--out', out or 'probe.json']),
        'stats': lambda: ['stats', images, '--out', out or 'statistics.json'],
        'export': lambda: ['export', CLASSIFY, classifier, out or 'model.pt2', *stock.options('classify')],
        'convert': lambda: ['convert', stock.model('pretrain'), out or 'converted.pth'],
        'convert_huggingface': lambda: ['convert', stock.model('pretrain'), out or 'folder', '--to', 'huggingface',
                                        '--num-heads', '2', '--decoder-num-heads', '2'],
        'inspect': lambda: ['inspect', classifier],
        **{name: lambda name=name: stock.picture(name, images, out=out) for name in stock.PICTURES},
        'curves': lambda: ['curves', stock.model('pretrain').parent, '--out', out or 'curves.png'],
        'demo': lambda: ['demo', stock.model('pretrain')],
        'evaluate': lambda: stock.evaluate(out=out),
        'download': lambda: ['download'],
        'shards': lambda: ['shards', 'make', images, out or 'shards'],
    }[command]()


SUFFIX = {'check': '.json', 'features': '.npz', 'knn': '.json', 'probe': '.json', 'stats': '.json', 'export': '.pt2',
          'convert': '.pth', **dict.fromkeys((*Stock.PICTURES, 'curves'), '.png')}
WRITERS = ('train', 'check', 'test', 'test_out', 'test_show', 'test_segments', 'predict', 'features', 'knn', 'probe',
           'stats', 'export', 'convert', 'convert_huggingface', *Stock.PICTURES, 'curves', 'evaluate', 'shards')


def case(what: str, where: str, line: Line, names: tuple[str, ...], expected: str = REFUSED, why: str = '',
           skipped: str = '') -> BadInput:
    return BadInput('commands', what, where, functools.partial(_made, line), names, expected, why, skipped)


def _made(line: Line, place: Place) -> Sequence[object]:
    return line(place.stock, place.inputs)


def outputs(command: str) -> Iterator[BadInput]:
    """Outputs that are inputs, in inputs, a file where a folder should be, or not to be written."""
    suffix = SUFFIX.get(command, '')
    where = command.replace('_', '-')

    def line(out: str) -> Line:
        return lambda stock, folder: good(command, stock, out)

    def below(stock: Stock, folder: Path) -> Sequence[object]:
        (folder / 'file').write_text('a file')
        return good(command, stock, folder / 'file' / f'out{suffix}')

    def in_the_way(stock: Stock, folder: Path) -> Sequence[object]:
        path = folder / f'out{suffix}'
        path.mkdir() if suffix else path.write_text('a file')
        (path / 'kept').write_text('kept') if suffix else None
        return good(command, stock, path)

    def loop(stock: Stock, folder: Path) -> Sequence[object]:
        (folder / 'loop').symlink_to('loop')
        return good(command, stock, folder / 'loop' / f'out{suffix}')

    def read_only(stock: Stock, folder: Path) -> Sequence[object]:
        (folder / 'locked').mkdir(mode=0o500)
        return good(command, stock, folder / 'locked' / f'out{suffix}')

    names = ('out', )
    yield case('out-that-no-one-can-write', where, line(f'/proc/out{suffix}'), ('/proc/out', ))
    yield case('out-below-a-file', where, below, ('file', ))
    yield case('out-is-in-the-way', where, in_the_way, names)
    yield case('out-in-a-link-to-itself', where, loop, ('loop', ))
    yield case('out-in-a-locked-folder', where, read_only, ('locked', ), skipped=NO_PERMISSIONS)
    yield case('out-of-a-long-name', where, line('n' * 300 + suffix), ('nnn', ))
    if command in REPLACED:
        yield case('out-is-the-input', where, REPLACED[command], ('out', 'replace', 'images', 'input', 'same'))


def _copy(stock: Stock, folder: Path, road: str = 'classify', name: str = 'm.pth') -> Path:
    path = folder / name
    path.write_bytes(stock.model(road).read_bytes())
    return path


def _config(folder: Path, road: str) -> Path:
    base = Path(__file__).resolve().parents[2] / 'configs' / f'{ROADS[road][0]}.py'
    path = folder / 'config.json'
    path.write_text(f'_base_ = {str(base)!r}\n')
    return path


def _data(stock: Stock, folder: Path, road: str = 'pretrain') -> Path:
    return stock.copy(road, folder)


REPLACED: dict[str, Line] = {
    'predict': lambda stock, folder: ['predict', stock.model('classify'), data := _data(stock, folder), '--out', data],
    'features': lambda stock, folder: ['features', path := _copy(stock, folder, name='m.npz'), stock.root / 'images',
                                       '--out', path],
    **{name: lambda stock, folder, name=name: stock.picture(name, data := _data(stock, folder), out=data / '0.png')
       for name in Stock.PICTURES},
    'evaluate': lambda stock, folder: stock.evaluate(data := _data(stock, folder, 'classify'), out=data),
    'shards': lambda stock, folder: ['shards', 'make', data := _data(stock, folder), data],
    'convert': lambda stock, folder: ['convert', path := _copy(stock, folder), path],
    'export': lambda stock, folder: ['export', CLASSIFY, path := _copy(stock, folder, name='m.pt2'), path,
                                     *stock.options('classify')],
    'stats': lambda stock, folder: ['stats', data := _data(stock, folder), '--out', data / '0.png'],
    'knn': lambda stock, folder: ['knn', path := _config(folder, 'knn'), stock.model('pretrain'), '--out', path,
                                  *stock.options('knn')],
    'check': lambda stock, folder: ['check', path := _config(folder, 'pretrain'), '--out', path,
                                    *stock.options('pretrain')],
    'test_out': lambda stock, folder: stock.test('classify', data := _data(stock, folder, 'classify'),
                                                 more=['--out', data / 'val' / 'cat']),
    'test_show': lambda stock, folder: stock.test('classify', data := _data(stock, folder, 'classify'),
                                                  more=['--show-dir', data / 'val' / 'cat']),
    'test_segments': lambda stock, folder: stock.test('segment', data := _data(stock, folder, 'segment'),
                                                      more=['--out', data / 'labels' / 'val']),
}
