"""Losses, rates and metrics of runs.

    mae-mm curves WORK_DIR ... [--keys loss lr mIoU] [--out FILE.png]
"""
import argparse
from collections.abc import Sequence

from ..apis.curves import curves_picture
from .pictures import add_out, check_out, write


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description='Losses, rates and metrics of runs')
    parser.add_argument('work_dirs', nargs='+', metavar='WORK_DIR', help='work dirs, of one run each')
    parser.add_argument('--keys', nargs='+', help='names of what was logged; default: all but times and memory')
    add_out(parser, 'curves.png')
    args = parser.parse_args(argv)

    check_out(args.out, [])
    write(args.out, curves_picture(args.work_dirs, args.keys))
