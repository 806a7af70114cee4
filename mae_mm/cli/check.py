"""Check a training run before it is started: ``mae-mm check CONFIG [--out REPORT.json] [--cfg-options ...]``.

Its data is read from the first image to the last, its model built, and a few steps done. Nothing is written but the
report. The exit status is 1 if an image cannot be used or is in both the training and the validation data.
"""
import argparse
from collections.abc import Sequence

from mmengine.logging import MMLogger

from ..apis.checking import check_run, is_fine, lines_of
from ..apis.report import as_json
from ..checkpoint.writing import AtomicBackend
from ..errors import Incomplete, InputError
from ..outputs import check_writable
from .common import add_settings


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description='Check a training run before it is started: its data, a few steps, '
                                                 'memory and time')
    parser.add_argument('config', help='file or name of a config')
    parser.add_argument('--out', metavar='REPORT.json', help='also write what was found to this file')
    add_settings(parser, 'data_root=DIR')
    args = parser.parse_args(argv)

    if args.out is not None:
        if not args.out.endswith('.json'):
            raise InputError(f'--out {args.out}: the report is written to a file named .json')
        check_writable(args.out, [args.config])
    MMLogger.get_instance('check', log_level='WARNING')
    report = check_run(args.config, {**(args.cfg_options or {}), 'log_level': 'WARNING'})
    print('\n'.join(lines_of(report)))
    if args.out is not None:
        AtomicBackend().put(as_json(report).encode(), args.out)
    if not is_fine(report):
        raise Incomplete('some of the data has to be mended; see above')
