"""What the subcommands that write one picture share."""
import argparse
import os
from collections.abc import Sequence

from ..apis.models import Model
from ..apis.pictures import PICTURES
from ..checkpoint.writing import AtomicBackend
from ..config.bands import checked_places
from ..errors import InputError
from ..outputs import check_apart, check_writable


def add_out(parser: argparse.ArgumentParser, default: str) -> None:
    parser.add_argument('--out', default=default, metavar='FILE.png',
                        help=f'where the picture goes; default: {default}')


def add_pictures(parser: argparse.ArgumentParser, default: int = PICTURES) -> None:
    parser.add_argument('--pictures', type=int, default=default, help='how many images, from the first on; default: '
                                                                      f'{default}')


def add_bands(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('--bands', nargs='+', type=int, help='three to show as red, green and blue, or one to show in '
                                                             'grey, counted from 0; for images other than RGB')


def check_out(path: str, made_from: Sequence[str]) -> None:
    """Raises ``ValueError`` if a picture cannot be written to a path."""
    if not path.endswith('.png'):
        raise InputError(f'--out {path}: a picture is written to a file named .png')
    check_writable(path, made_from)
    for folder in filter(os.path.isdir, made_from):
        check_apart(path, folder)  # else the next call would take it for an image


def set_bands(model: Model, bands: Sequence[int] | None) -> None:
    """Show these bands in pictures."""
    if bands is None:
        return
    statistics = model.cfg.get('statistics')
    if statistics is None:
        raise InputError('--bands is for images other than RGB, which is shown as it is')
    model.cfg.picture_bands = checked_places(bands, len(statistics['mean']), '--bands ')


def write(path: str, picture: bytes) -> None:
    AtomicBackend().put(picture, path)
    print(path)
