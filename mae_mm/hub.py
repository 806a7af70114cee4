"""``mmengine.hub`` and ``_base_ = 'mae_mm::...'`` for this package.

mmengine knows the packages of such names from a table, and asks ``pkg_resources`` where they are: setuptools has it no
longer (since 82), and it does not find an editable install. Where it finds nothing, mmengine calls ``pip install``.
"""
import importlib.util
import os
import sys
from collections.abc import Callable

from mmengine.config.utils import MODULE2PACKAGE
from mmengine.utils import package_utils

# Where mmengine has the two functions under their names.
PLACES = ('mmengine.utils.package_utils', 'mmengine.utils', 'mmengine.config.config', 'mmengine.hub.hub')


def _folder(package: str) -> str | None:
    """The folder of a distribution's module: mmsegmentation's is mmseg. None if there is none."""
    module = next((module for module, name in MODULE2PACKAGE.items() if name == package), package)
    spec = importlib.util.find_spec(module)
    return os.path.dirname(spec.origin) if spec is not None and spec.origin else None


def register() -> None:
    """Tell mmengine of this package, and where packages are; what is not found is left to mmengine."""
    MODULE2PACKAGE.setdefault('mae_mm', 'mae_mm')
    their_installed, their_path = package_utils.is_installed, package_utils.get_installed_path

    def is_installed(package: str) -> bool:
        return _folder(package) is not None or their_installed(package)

    def get_installed_path(package: str) -> str:
        return _folder(package) or their_path(package)

    _replace(their_installed, is_installed)
    _replace(their_path, get_installed_path)


def _replace(theirs: Callable, ours: Callable) -> None:
    for place in PLACES:
        module = sys.modules.get(place)
        if getattr(module, theirs.__name__, None) is theirs:
            setattr(module, theirs.__name__, ours)
