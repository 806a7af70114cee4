"""What is done once, before the first input: imports, and three tiny models."""
import importlib
import os
import random
from collections.abc import Sequence
from pathlib import Path

from mae_mm.cli import COMMANDS
from mae_mm.dependencies import import_required

from .inputs import Place
from .stock import Stock
from .trial import run

LATER = ('mmseg.models', 'mmseg.datasets', 'mmpretrain.models', 'mmpretrain.datasets', 'mmseg.visualization',
         'mmpretrain.visualization', 'torch._dynamo', 'torch.utils.tensorboard', 'sklearn.linear_model',
         'matplotlib.pyplot')


def import_all() -> None:
    """Import what commands import, so that forks of this process need not."""
    import_required(hosts=True)
    for name in (*(f'mae_mm.cli.{command}' for command in COMMANDS), *LATER):
        try:
            importlib.import_module(name)
        except ImportError:  # what a command can do without
            continue


def train_models(stock: Stock) -> None:
    """One of each road.

    Raises:
        SystemExit: a command that should work does not, with what it printed.
    """

    def checked(argv: Sequence[object]) -> None:
        place = _place(stock)
        done = run([os.fspath(part) if isinstance(part, os.PathLike) else str(part) for part in argv], place)
        if done.status:
            raise SystemExit(f'error: {" ".join(map(str, argv))} failed:\n{done.output}')

    stock.make_models(checked)


def _place(stock: Stock) -> Place:
    folder = stock.root.parent / 'models'
    for name in ('out', 'home'):
        (folder / name).mkdir(parents=True, exist_ok=True)
    return Place(Path(folder), folder / 'out', folder / 'marker', stock, random.Random(0))
