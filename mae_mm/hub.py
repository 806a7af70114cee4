"""``mmengine.hub`` and ``_base_ = 'mae_mm::...'`` for this package, from ``import mae_mm`` on.

mmengine knows the packages of such names from a table, and asks ``pkg_resources`` where they are: setuptools has it no
longer (since 82), and it does not find an editable install. Where it finds nothing, mmengine calls ``pip install``.
"""
import importlib.util
import os
import sys
from collections.abc import Callable
from importlib.abc import MetaPathFinder
from typing import Any

# Where mmengine has its functions that look for packages.
PLACES = ('mmengine.utils.package_utils', 'mmengine.utils', 'mmengine.config.config', 'mmengine.hub.hub')
LAST_IMPORT = 'mmengine.version'  # of ``import mmengine``


class _Registrar(MetaPathFinder):
    """Calls :func:`register` once mmengine is imported, which takes seconds that ``mae-mm --help`` does not need."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
        if name == LAST_IMPORT:
            sys.meta_path.remove(self)
            register()


def register_with_mmengine() -> None:
    """:func:`register` now, or when mmengine is imported."""
    if LAST_IMPORT in sys.modules:
        register()
    else:
        sys.meta_path.insert(0, _Registrar())


def register() -> None:
    """Tell mmengine of this package, and where packages are; what is not found is left to mmengine."""
    from mmengine.config import Config
    from mmengine.config.utils import MODULE2PACKAGE
    from mmengine.utils import package_utils
    MODULE2PACKAGE.setdefault('mae_mm', 'mae_mm')
    their_installed, their_path = package_utils.is_installed, package_utils.get_installed_path
    modules = {distribution: module for module, distribution in MODULE2PACKAGE.items()}  # mmsegmentation: mmseg

    def is_installed(package: str) -> bool:
        return _folder(modules.get(package, package)) is not None or their_installed(package)

    def get_installed_path(package: str) -> str:
        return _folder(modules.get(package, package)) or their_path(package)

    _replace(their_installed, is_installed)
    _replace(their_path, get_installed_path)
    Config._get_cfg_path = staticmethod(_without_our_scope(Config._get_cfg_path))


def _without_our_scope(get_cfg_path: Callable) -> Callable:
    """mmengine puts all parts of such a base into the scope of its package; ours say themselves whose they are."""

    def path_and_scope(*args: Any) -> tuple[str, str | None]:
        path, scope = get_cfg_path(*args)
        return path, None if scope == 'mae_mm' else scope

    return path_and_scope


def _folder(module: str) -> str | None:
    spec = importlib.util.find_spec(module)
    return os.path.dirname(spec.origin) if spec is not None and spec.origin else None


def _replace(theirs: Callable, ours: Callable) -> None:
    for place in PLACES:
        module = sys.modules.get(place)
        if getattr(module, theirs.__name__, None) is theirs:
            setattr(module, theirs.__name__, ours)
