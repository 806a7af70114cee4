"""A page in the browser that shows what models do with an image that is dropped on it.

    mae-mm demo [[CONFIG] CHECKPOINT ...] [--port 7860]

Of several checkpoints two can be compared. Without any it takes those that `make demo` has made. The page is for this
machine alone (127.0.0.1).
"""
import argparse
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from mmengine.logging import MMLogger

from ..apis.models import load
from ..apis.page import SECONDS, Page
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
    parser.add_argument('--seconds', type=float, default=SECONDS,
                        help='time limit of a model for what is asked; default: %(default)g')
    parser.add_argument('--port', type=int, default=7860, help='default: %(default)s')
    parser.add_argument('--device', help='such as cuda:1 or cpu; default: an accelerator if there is one')
    args = parser.parse_args(argv)

    if not args.seconds > 0:
        raise InputError(f'--seconds {args.seconds:g} is not a number above 0')
    if not 0 < args.port < 1 << 16:
        raise InputError(f'--port {args.port} is not a port; they are 1 to 65535')
    gradio()
    MMLogger.get_instance('demo', log_level='WARNING')
    page = Page({name: load(*parts, device=args.device) for name, parts in models_of(args.inputs).items()},
                args.seconds)
    examples = args.examples if args.examples is not None else [
        str(path) for path in sorted(EXAMPLES.glob('*'))[:NUM_EXAMPLES]]
    for path in examples:
        if not os.path.isfile(path):
            raise InputError(f'{path}: no such image')
    blocks = serve(page, examples, args.port, LARGEST)
    print(f'the page is at http://127.0.0.1:{args.port}; Ctrl-C ends it', flush=True)
    blocks.block_thread()


def models_of(inputs: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Name -> config and checkpoint, or a checkpoint alone, of each model that a command line names.

    A name is the shortest that no two have: file and folder, the path, or the config with it.
    """
    given = list(inputs)
    if not given:
        told = [DEMO / run / 'last_checkpoint' for run in RUNS]
        given = [path.read_text().strip() for path in told if path.is_file()]
        if not given:
            raise InputError('there is no checkpoint: mae-mm demo [CONFIG] CHECKPOINT ..., or `make demo` before it, '
                             'which makes some')
    chosen = []
    while given:
        parts = [given.pop(0)]
        if is_config(parts[0]):
            if not given or is_config(given[0]):
                raise InputError(f'{parts[0]} is a config; give a checkpoint after it')
            parts.append(given.pop(0))
        chosen.append(tuple(parts))
    names: list[Callable[[tuple[str, ...]], str]] = [
        lambda parts: short_name(parts[-1]), lambda parts: parts[-1], ' '.join]
    models: dict[str, tuple[str, ...]] = {}
    while len(models) < len(set(chosen)):
        name = names.pop(0)
        models = {name(parts): parts for parts in chosen}
    return models
