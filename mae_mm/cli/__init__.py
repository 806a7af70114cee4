"""The command ``mae-mm SUBCOMMAND``: arguments only. What a subcommand does is in the other rooms."""
import functools
import gc
import importlib
import os
import signal
import sys
from collections.abc import Sequence
from typing import NoReturn

# Subcommand -> what it does; its module here has the same name.
COMMANDS = {
    'train': 'pre-train, fine-tune, probe or segment, as a config says',
    'check': 'check a run before it is started: all of its data, a few steps, memory, time',
    'test': 'measure a trained model',
    'predict': 'classify or segment images',
    'features': 'write the features of images as arrays',
    'evaluate': 'measure frozen encoders: nearest neighbours, linear, attentive and dense probes',
    'reconstruct': 'a picture of images, what is visible of them, and what a model makes of that',
    'attention': 'a picture of the attention of a patch or the class token, or of the relative position bias',
    'pca': 'a picture of the features of patches as colours',
    'curves': 'a picture of the losses, rates and metrics of runs',
    'demo': 'a page in the browser that shows what models do with an image',
    'knn': 'accuracy of the nearest neighbours of frozen features',
    'probe': 'accuracy of a linear classifier on frozen features',
    'shards': 'write images into tar files, for use as a data_root; index or verify such files',
    'stats': 'mean and standard deviation of each band of a folder of images',
    'download': 'fetch published weights by name and check their hash',
    'export': 'write a model as ONNX or as a program of torch.export',
    'convert': 'write weights in the format of another project',
    'inspect': 'say what a checkpoint is and holds',
}
USAGE = '''usage: mae-mm SUBCOMMAND ...   (mae-mm SUBCOMMAND --help explains it)

{commands}

for example, with images of your own:
  mae-mm train pretrain/mae_vit_folder --cfg-options data_root=PHOTOS
  mae-mm train finetune/vit_folder --cfg-options data_root=CLASSES checkpoint=CHECKPOINT'''.format(
    commands='\n'.join(f'  {name:<11} {does}' for name, does in COMMANDS.items()))


def run(argv: Sequence[str]) -> NoReturn:
    """Run a subcommand and exit; see :func:`mae_mm.cli.common.run_tool`."""
    from ..dependencies import import_required
    name, *rest = argv
    try:
        import_required(hosts=True)
    except ImportError as error:
        print(f'error: {error}', file=sys.stderr)
        sys.exit(1)
    from .common import run_tool
    for stream in (sys.stdout, sys.stderr):  # a file's name may be of any bytes
        if hasattr(stream, 'reconfigure'):
            stream.reconfigure(errors='backslashreplace')
    sys.argv[0] = f'mae-mm {name}'
    tool = importlib.import_module(f'.{name}', __package__).main
    _leave_imports_be()
    run_tool(tool, rest)


@functools.cache
def _leave_imports_be() -> None:
    """Collections of garbage look at nothing that is there by now: mmengine makes one for each data set, of 0.4 s."""
    gc.freeze()


def main() -> NoReturn:
    """The console command."""
    try:
        _main(sys.argv[1:])
    except BrokenPipeError:  # of `mae-mm inspect FILE | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(128 + signal.SIGPIPE)


def _main(argv: Sequence[str]) -> NoReturn:
    if not argv or argv[0] in ('-h', '--help'):
        print(USAGE, flush=True)
        sys.exit(0 if argv else 2)
    if argv[0] not in COMMANDS:
        print(f'error: mae-mm has no subcommand {argv[0]!r}; it has {", ".join(COMMANDS)}', file=sys.stderr)
        sys.exit(2)
    run(argv)
