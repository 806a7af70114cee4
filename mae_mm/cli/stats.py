"""Mean and standard deviation of each band of a folder of images, and the setting that uses them.

    mae-mm stats DIR [--out FILE] [--nodata VALUE]
"""
import argparse
import math
import os
import shlex
from collections.abc import Sequence

from mmengine.logging import MMLogger

from ..apis.inputs import check_outside_shards, images_in
from ..apis.statistics import check_replaced, folder_statistics, table, write_statistics
from ..datasets.nodata import NAN
from ..datasets.reading import header
from ..datasets.shards import bytes_at
from ..engine.summary import counted
from ..errors import InputError
from ..outputs import check_writable


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description='Mean and standard deviation of each band of a folder of images')
    parser.add_argument('folder', metavar='DIR', help='images, flat or nested, all with the same number of bands')
    parser.add_argument('--out', metavar='FILE', help='default: work_dirs/stats/NAME OF DIR.json')
    parser.add_argument('--nodata', type=_number, metavar='VALUE',
                        help=f'value of pixels without data, which are left out; {NAN} means NaN and infinity')
    args = parser.parse_args(argv)

    MMLogger.get_instance('stats', log_level='WARNING')
    name = os.path.basename(os.path.abspath(args.folder)) or 'stats'
    out = args.out or os.path.join('work_dirs', 'stats', f'{name}.json')
    check_writable(out, images_of_name(args.folder, out))
    if not out.endswith('.json'):
        raise InputError(f'--out {out}: statistics are written to a file named .json')
    check_outside_shards(out, [args.folder])
    check_replaced(out, args.folder)
    statistics = folder_statistics(args.folder, args.nodata)
    write_statistics(statistics, out)
    print('\n'.join(table(statistics)))
    if args.nodata is not None:
        print(f'{statistics["left_out"]:,} values without data are left out'
              + ('' if statistics['left_out'] else f': none is {args.nodata}; is that the value?'))
    first, _ = next(images_in([args.folder]))
    if not header(first, bytes_at(first)).other_than_rgb:
        print('8-bit grey and RGB images need no such setting: without it they are read as all configs expect them')
    height, width, bands = statistics['shape']
    print(f'{counted(statistics["images"], "image")}, the first of {height}x{width} pixels and '
          f'{counted(bands, "band")}; the figures are in {out}. The setting that uses them, in every command:\n'
          f'--cfg-options {shlex.quote("statistics=" + out)}')


def images_of_name(folder: str, out: str) -> list[str]:
    """The images of a folder that are named like the output, and so may be what it would replace."""
    name = os.path.basename(os.path.realpath(out))
    return [path for path, _ in images_in([folder]) if os.path.basename(os.path.realpath(path)) == name]


def _number(text: str) -> float | str:
    try:
        value = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f'{text!r} is neither a number nor {NAN}') from None
    if math.isfinite(value):
        return value
    return NAN
