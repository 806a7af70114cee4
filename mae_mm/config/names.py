"""Configs by name: those that come with the package, from any folder."""
import difflib
import os
from pathlib import Path

from ..errors import InputError

PACKAGE = Path(__file__).resolve().parent.parent


def resources() -> Path:
    """The folder that holds ``configs`` and ``tools``: inside the installed package, or the checkout's root."""
    installed = PACKAGE / '.mim'
    return installed if (installed / 'configs').is_dir() else PACKAGE.parent


def config_names() -> list[str]:
    """Names of all configs of the package, such as ``pretrain/mae_vit_folder``."""
    root = resources() / 'configs'
    paths = sorted(root.rglob('*.py'))
    return [str(path.relative_to(root).with_suffix('')) for path in paths if '_base_' not in path.parts]


def is_config(name: str) -> bool:
    """Whether a name on the command line is that of a config, and not of a checkpoint."""
    return name.endswith('.py') or name.removeprefix('configs/') in config_names() and not os.path.exists(name)


def find_config(name: str) -> str:
    """The path of a config: of a file, or of one of the package by its name (``config_names``).

    Raises:
        ValueError: there is neither.
    """
    if os.path.isfile(name):
        return name
    bare = name.removeprefix('mae_mm::').removeprefix('configs/').removesuffix('.py')
    path = resources() / 'configs' / f'{bare}.py'
    if path.is_file():
        return str(path)
    near = difflib.get_close_matches(bare, config_names(), n=1)
    raise InputError(f'{name}: no such config; ' + (f'is it {near[0]!r}?' if near else
                     f'those of the package are in {resources() / "configs"}'))
