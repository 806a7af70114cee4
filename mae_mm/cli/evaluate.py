"""Measure frozen encoders.

    mae-mm evaluate CHECKPOINT ... --on KIND:DIR ... [--probes knn linear attentive dense-knn dense-linear rank]
                    [--layers all | last | 3,6,9] [--shots all 1 10%] [--seeds N] [--out DIR]

CHECKPOINT holds any known encoder; nothing else is asked of it. KIND:DIR is cifar10:DIR or folder:DIR with class
folders (DIR/{train,val}/CLASS/*.jpg or DIR/CLASS/*.jpg), camvid:DIR, or folder:DIR with images and label maps
(DIR/{images,labels}). Each image passes each encoder once; its features stay in a cache on the disk. Figures are in
percent. What has been measured is kept in DIR/results.json and DIR/results.csv, and not measured again.
"""
import argparse
import re
from collections.abc import Sequence

from mmengine.logging import MMLogger

from ..apis.evaluating import CACHE_BYTES, Evaluation, Timing
from ..apis.measurements import RESULTS, TABLE, table
from ..apis.probing import PROBES
from ..errors import InputError

UNITS = dict(KB=1e3, MB=1e6, GB=1e9, TB=1e12)


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description='Measure frozen encoders',
                                     epilog='docs/evaluation.md says what each probe is')
    parser.add_argument('checkpoints', nargs='+', metavar='CHECKPOINT', help='files or URLs of any known format')
    parser.add_argument('--on', nargs='+', required=True, metavar='KIND:DIR',
                        help='labelled images: cifar10:DIR, camvid:DIR, folder:DIR')
    parser.add_argument('--probes', nargs='+', metavar='PROBE',
                        help=f'{", ".join(PROBES)}; default: all but attentive, where the labels fit')
    parser.add_argument('--layers', nargs='+', default=['all'],
                        help='all (the default), last, or numbers from 0 on, such as 3,6,9; -1 -4 count from the end')
    parser.add_argument('--shots', nargs='+', default=['all'],
                        help='training images to use: all, a number of each class, or a share such as 10%%; '
                             'default: all')
    parser.add_argument('--seeds', type=int, default=1, metavar='N',
                        help='number of seeds, for the mean and the standard deviation; default: %(default)s')
    parser.add_argument('--img-size', help='in pixels, SIDE or HEIGHT,WIDTH; default: that of the pre-training')
    parser.add_argument('--no-norm', action='store_true', help="tokens without the encoder's last norm")
    parser.add_argument('--num-heads', type=int, help='attention heads, if the file of the encoder does not say')
    parser.add_argument('--out', default='work_dirs/evaluate', metavar='DIR',
                        help='output folder; default: %(default)s')
    parser.add_argument('--cache', metavar='DIR', help='folder for the features; default: cache in --out')
    parser.add_argument('--cache-size', default=f'{CACHE_BYTES // 10**9}GB', metavar='BYTES',
                        help='the most that the cache takes, such as 500MB; default: %(default)s')
    parser.add_argument('--pictures', type=int, default=8, metavar='N',
                        help='test images whose patches are drawn; 0 for no pictures; default: %(default)s')
    args = parser.parse_args(argv)

    MMLogger.get_instance('evaluate', log_level='WARNING')  # no line for each file that is loaded
    evaluation = Evaluation(args.out, args.probes, layers_of(args.layers), args.shots, args.seeds,
                            args.img_size and numbers_of('--img-size', args.img_size, at_most=2),
                            not args.no_norm, args.cache, bytes_of(args.cache_size), args.num_heads,
                            args.pictures)
    rows = evaluation.run(args.checkpoints, args.on)
    print('\n'.join(table(rows)))
    print(timing_of(evaluation.timing))
    print(f'{len(rows)} results: {args.out}/{RESULTS}, {args.out}/{TABLE}')


def layers_of(words: Sequence[str]) -> str | list[int]:
    text = ','.join(words)
    return text if text in ('all', 'last') else numbers_of('--layers', text)


def numbers_of(option: str, text: str, at_most: int = 1000) -> list[int]:
    """Of ``3,6,9``."""
    if not re.fullmatch(r'-?\d{1,6}(,-?\d{1,6})*', text) or text.count(',') >= at_most:
        raise InputError(f'{option} {text}: whole numbers with commas between them are needed'
                         + (', at most two' if at_most == 2 else ', or all, or last'))
    return [int(number) for number in text.split(',')]


def bytes_of(text: str) -> int:
    found = re.fullmatch(r'(\d+(?:\.\d+)?) ?(KB|MB|GB|TB)?', text, re.IGNORECASE)
    if not found:
        raise InputError(f'--cache-size {text}: a number of bytes is needed, such as 500MB or 20GB')
    return int(float(found[1]) * UNITS.get((found[2] or '').upper(), 1))


def timing_of(timing: Timing) -> str:
    if not timing.images:
        return f'{timing.total:.1f} s; no image had to pass an encoder'
    return (f'{timing.total:.1f} s, of which the encoder took {timing.encoder:.1f} s '
            f'({100 * timing.encoder / timing.total:.0f} %) for {timing.images:,} images')
