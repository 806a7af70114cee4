"""A page in the browser that shows what models do with an image that is dropped on it.

    mae-mm demo [[CONFIG] CHECKPOINT ...] [--port 7860]

Without checkpoints it takes those that `make demo` has made. The page is for this machine alone (127.0.0.1).
"""
import argparse
import os
from collections.abc import Sequence
from pathlib import Path

from mmengine.logging import MMLogger

from ..apis.models import load
from ..apis.page import Page
from ..config.names import is_config
from ..errors import InputError
from ..outputs import short_name
from ..visualization.page import gradio, serve

DEMO = Path('work_dirs/demo')  # of `make demo`
RUNS = ('pretrain', 'pretrained')
EXAMPLES = Path('data/digit_scenes/images/validation')
NUM_EXAMPLES = 4
LARGEST = '20mb'  # of a file that is dropped


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description='A page in the browser that shows what models do with an image')
    parser.add_argument('inputs', nargs='*', metavar='[CONFIG] CHECKPOINT',
                        help='one model or several; default: those that `make demo` has made')
    parser.add_argument('--examples', nargs='*', metavar='IMAGE',
                        help='images to choose from; default: some of `make demo`')
    parser.add_argument('--port', type=int, default=7860, help='default: %(default)s')
    parser.add_argument('--device', help='such as cuda:1 or cpu; default: an accelerator if there is one')
    args = parser.parse_args(argv)

    gradio()
    MMLogger.get_instance('demo', log_level='WARNING')
    page = Page({name: load(*parts, device=args.device) for name, parts in models_of(args.inputs).items()})
    examples = args.examples if args.examples is not None else [
        str(path) for path in sorted(EXAMPLES.glob('*'))[:NUM_EXAMPLES]]
    for path in examples:
        if not os.path.isfile(path):
            raise InputError(f'{path}: no such image')
    blocks = serve(page, examples, args.port, LARGEST)
    print(f'the page is at http://127.0.0.1:{args.port}; Ctrl-C ends it', flush=True)
    blocks.block_thread()


def models_of(inputs: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Name -> config and checkpoint, or a checkpoint alone, of each model that a command line names."""
    given = list(inputs)
    if not given:
        told = [DEMO / run / 'last_checkpoint' for run in RUNS]
        given = [path.read_text().strip() for path in told if path.is_file()]
        if not given:
            raise InputError('there is no checkpoint: mae-mm demo [CONFIG] CHECKPOINT ..., or `make demo` before it, '
                             'which makes some')
    models = {}
    while given:
        parts = [given.pop(0)]
        if is_config(parts[0]):
            if not given or is_config(given[0]):
                raise InputError(f'{parts[0]} is a config; give a checkpoint after it')
            parts.append(given.pop(0))
        models[short_name(parts[-1])] = tuple(parts)
    return models
