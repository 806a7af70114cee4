"""What the command line tools share: their options, and one line in place of a stack trace."""
import argparse
import json
import os
import re
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import torch.distributed
from mmengine.config import DictAction

from ..errors import Incomplete, InputError, Stopped

INCOMPLETE, USER_ERROR, STOPPED, INTERRUPTED = 1, 2, 75, 130  # exit statuses; the last is the shells' of Ctrl-C
QUOTES = ('"', "'")
BUILDING = os.path.join('registry', 'build_functions.py')  # where mmengine's registries build


class Settings(DictAction):
    """``--cfg-options KEY=VALUE ...``, as mmengine's action reads them, but for text, which stays as it is.

    That one takes the spaces out of paths. Text in quotes within the word, ``'"a, b"'``, is no list or number.
    """

    def __call__(self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: Any,
                 option_string: str | None = None) -> None:
        settings = dict(getattr(namespace, self.dest, None) or {})
        for word in values or ():
            key, equals, value = word.partition('=')
            if not equals or not all(key.split('.')):
                raise InputError(f'{option_string} takes KEY=VALUE, which {word!r} is not; everything else '
                                 f'comes before {option_string}')
            if not _is_balanced(value) and (',' in value or value[:1] in ('[', '(')):  # other text may have any
                raise InputError(f'{option_string} {word}: a bracket that is not closed, or not opened')
            settings[key] = _value(value)
        setattr(namespace, self.dest, settings)


def _is_balanced(text: str) -> bool:
    """Whether each bracket of a text is closed by its own kind."""
    closing, open_ones = {'[': ']', '(': ')'}, []
    for letter in text:
        if letter in closing:
            open_ones.append(closing[letter])
        elif letter in closing.values() and (not open_ones or open_ones.pop() != letter):
            return False
    return not open_ones


def _value(text: str) -> Any:
    """A number, True, False, None or text; a list of such with commas or brackets, a tuple in parentheses."""
    text = text.strip()
    parts = _parts(text)
    if len(parts) > 1:
        return list(map(_value, parts if parts[-1].strip() else parts[:-1]))
    if text[:1] in QUOTES and text[-1] == text[0] and len(text) > 1:
        return text[1:-1]
    if text[:1] + text[-1:] not in ('[]', '()'):
        return DictAction._parse_int_float_bool(text)
    inner = _parts(text[1:-1])
    return (tuple if text[0] == '(' else list)(map(_value, inner if inner[-1].strip() else inner[:-1]))


def _parts(text: str) -> list[str]:
    """What commas separate that are in no brackets and no quotes."""
    parts, depth, quote = [''], 0, ''
    for letter in text:
        if letter == ',' and not depth and not quote:
            parts.append('')
            continue
        if quote:
            quote = '' if letter == quote else quote
        elif letter in QUOTES and not parts[-1].strip(' [('):  # within a word it is an apostrophe
            quote = letter
        else:
            depth += (letter in '([') - (letter in ')]')
        parts[-1] += letter
    return parts


def add_settings(parser: argparse.ArgumentParser, such_as: str = 'data_root=DIR arch=small batch_size=32') -> None:
    parser.add_argument('--cfg-options', nargs='+', action=Settings, metavar='KEY=VALUE',
                        help=f'change settings of the config, e.g. {such_as}; give them after all paths')


def add_config(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('config', help='a config file, or the name of a config of the package, e.g. '
                                       'pretrain/mae_vit_folder')
    add_settings(parser)


def add_run_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('--work-dir', help='where logs and results go; default: work_dirs/NAME_OF_THE_CONFIG')
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
    return any(frame.filename.endswith(BUILDING) for frame in frames)


def _one_line(error: Exception) -> str:
    """An error's message without what registries put before it and data loaders' workers around it.

    What is not ours names no setting, so the part of the config that was being built is added.
    """
    text = str(error.args[0]) if error.args and not isinstance(error, OSError) else str(error)
    text = text or type(error).__name__
    in_worker = re.findall(r'InputError: (.+)', text)
    text = in_worker[-1] if in_worker else text
    text = re.sub(r'^(class `\w+` in [\w/.]+: )*(?=class `)', '', text)  # keep the innermost class
    if isinstance(error, InputError):
        text = re.sub(r'^class `\w+` in [\w/.]+: ', '', text)
    else:
        text = f'{text} ({_being_built(error)})'
    return ' '.join(text.split())


def _being_built(error: Exception) -> str:
    """The innermost part of a config that a registry was building, with its plain settings."""
    parts = [frame.f_locals.get('cfg') for frame, _ in traceback.walk_tb(error.__traceback__)
             if frame.f_code.co_filename.endswith(BUILDING)]
    at_fault = parts[-1]
    if not isinstance(at_fault, dict):
        outer = parts[-2] if len(parts) > 1 and isinstance(parts[-2], dict) else {}
        key = next((key for key, value in outer.items() if value is at_fault), None)
        return f'{key or "a part of the config"} is {at_fault!r}, and dict(type=...) is needed'
    told = ', '.join(f'{key}={value!r}' for key, value in at_fault.items() if len(repr(value)) < 80)
    return f'in dict({told})'
