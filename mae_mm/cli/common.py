"""What the command line tools share: their options, and one line in place of a stack trace."""
import argparse
import json
import os
import re
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from typing import NoReturn

import torch.distributed
from mmengine.config import DictAction

from ..errors import Incomplete, InputError, Stopped

INCOMPLETE, USER_ERROR, STOPPED, INTERRUPTED = 1, 2, 75, 130  # exit statuses; the last is the shells' of Ctrl-C


def add_common_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('config', help='a config file, or the name of a config of the package, e.g. '
                                       'pretrain/mae_vit_folder')
    parser.add_argument('--work-dir', help='where logs and results go; default: work_dirs/NAME_OF_THE_CONFIG')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, metavar='KEY=VALUE',
                        help='change settings of the config, e.g. data_root=DIR arch=small batch_size=32')
    parser.add_argument('--launcher', choices=('none', 'pytorch', 'slurm', 'mpi'), default='none',
                        help='set by the dist_*.sh and slurm_*.sh scripts')
    parser.add_argument('--local_rank', '--local-rank', type=int, help=argparse.SUPPRESS)  # old launchers pass it


def run_tool(main: Callable[[Sequence[str] | None], None], argv: Sequence[str] | None = None) -> NoReturn:
    """Run a tool's ``main`` and exit: 0; 2 and one line for a mistake of the user's; else a stack trace and 1.

    ``MAE_MM_TRACEBACK=1`` shows the stack trace in every case.
    """
    status = 0
    try:
        main(argv)
    except KeyboardInterrupt as stopped:  # with what a subcommand has to add
        status = INTERRUPTED
        if int(os.environ.get('RANK', 0)) == 0:
            print('; '.join(['stopped', *map(str, stopped.args)]), file=sys.stderr)
    except (Stopped, Incomplete) as stopped:
        status = STOPPED if isinstance(stopped, Stopped) else INCOMPLETE
        print(stopped, file=sys.stderr)
    except Exception as error:
        if not isinstance(error, InputError) and not _while_building(error):
            raise
        status = USER_ERROR
        if os.environ.get('MAE_MM_TRACEBACK'):
            traceback.print_exc()
        _tell(_one_line(error))
    if status == 0 and torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()
    sys.stdout.flush()
    sys.exit(status)


def _tell(message: str) -> None:
    """Print an error, or leave it to tools/launch.py, which prints that of the process that failed first."""
    if 'TORCHELASTIC_ERROR_FILE' in os.environ:
        with open(os.environ['TORCHELASTIC_ERROR_FILE'], 'w') as file:
            json.dump(dict(message=message, timestamp=int(time.time())), file)
    else:
        print(f'error: {message}', file=sys.stderr)


def _while_building(error: Exception) -> bool:
    """Whether one of mmengine's registries raised it for a part of the config (a misspelt key or type)."""
    frames = traceback.extract_tb(error.__traceback__)
    return any(frame.filename.endswith(os.path.join('registry', 'build_functions.py')) for frame in frames)


def _one_line(error: Exception) -> str:
    """An error's message without what registries put before it and data loaders' workers around it."""
    text = str(error.args[0]) if error.args else type(error).__name__
    in_worker = re.findall(r'InputError: (.+)', text)
    text = in_worker[-1] if in_worker else text
    text = re.sub(r'^(class `\w+` in [\w/.]+: )*(?=class `)', '', text)  # keep the innermost class
    if isinstance(error, InputError):
        text = re.sub(r'^class `\w+` in [\w/.]+: ', '', text)
    return ' '.join(text.split())
