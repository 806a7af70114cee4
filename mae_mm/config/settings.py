"""Settings of the command line, which take effect wherever a config uses them.

A config is a program: changing a variable after it has run changes nothing that was computed from it. So it runs
again, bases included, with the new values in place of what is assigned to their names.
"""
import ast
import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from unittest import mock

from mmengine.config import Config
from mmengine.config.utils import RemoveAssignFromAST

from ..errors import InputError

Options = Mapping[str, Any]
SIDES = ('img_size', 'crop_size')  # variables of sizes


def evaluate(path: str, options: Options) -> Config:
    """A config file with other values of variables: ``name``, or ``name.key.key`` of one that is a dict."""
    with _assigned(options):
        return Config.fromfile(path)


@contextlib.contextmanager
def _assigned(options: Options) -> Iterator[None]:
    """mmengine takes ``_base_`` out of each file's program before it runs; this also puts the options in."""

    class PutOptions(RemoveAssignFromAST):

        def visit_Assign(self, node: ast.Assign) -> Any:
            target = node.targets[0]
            if super().visit_Assign(node) is None or not isinstance(target, ast.Name):
                return super().visit_Assign(node)
            if target.id in options:
                node.value = _literal(options[target.id])
            inner = [_item(name.split('.'), value) for name, value in options.items()
                     if name.startswith(f'{target.id}.')]
            return [ast.fix_missing_locations(ast.copy_location(part, node)) for part in (node, *inner)]

    with mock.patch('mmengine.config.config.RemoveAssignFromAST', PutOptions):
        yield


def _literal(value: Any) -> ast.expr:
    return ast.parse(repr(value), mode='eval').body


def _item(names: list[str], value: Any) -> ast.Assign:
    """``name['key'] = value`` for ``name.key``; keys of digits are places in a list."""
    keys = ''.join(f'[{key}]' if key.isdigit() else f'[{key!r}]' for key in names[1:])
    statement = ast.parse(f'{names[0]}{keys} = 0').body[0]
    assert isinstance(statement, ast.Assign)
    statement.value = _literal(value)
    return statement


def typed(options: Options, cfg: Config) -> dict[str, Any]:
    """The options in the types of the config: ``data_root=2024`` was read as a number, ``crop_size=96,96`` as a list.

    Raises:
        ValueError: text where the config has a number.
    """
    done = {}
    for name, value in options.items():
        try:
            old = _value(cfg, name)
        except (KeyError, IndexError, TypeError, ValueError, AttributeError):
            old = None
        if isinstance(old, str) and isinstance(value, (int, float)):
            value = str(value)
        if isinstance(old, tuple) and isinstance(value, list):  # some transforms take sizes as tuples alone
            value = tuple(value)
        if name in SIDES:
            value = _sides(name, value, isinstance(old, tuple))
        number = isinstance(old, (int, float)) and not isinstance(old, bool)
        if number and isinstance(value, str):
            raise InputError(f'--cfg-options {name}={value}: not a number; the config has {old}')
        done[name] = value
    return done


def _sides(name: str, value: Any, pair: bool) -> Any:
    """A side in pixels, or two; two equal ones where the config has a pair."""
    sides = value if isinstance(value, (list, tuple)) else [value]
    if len(sides) not in (1, 2) or not all(type(side) is int for side in sides):
        raise InputError(f'--cfg-options {name}={value} is not a side in pixels, or height and width with a comma '
                         'between them')
    return (sides[0], sides[-1]) if pair else value


def _value(cfg: Any, name: str) -> Any:
    for key in name.split('.'):
        cfg = cfg[int(key)] if isinstance(cfg, (list, tuple)) else cfg[key]
    return cfg


def check_effect(path: str, variables: Options, cfg: Config, read_by_runs: set[str],
                 evaluated: Callable[[Options], Config]) -> None:
    """Tell which of the variables changed nothing that a run reads; ``data_root`` is every run's.

    Args:
        cfg: the config with all of the variables.
        read_by_runs: top-level names that a run reads.
        evaluated: from variables to the config with them.

    Raises:
        ValueError: with the name of such a variable.
    """
    changed = _read_part(cfg, read_by_runs)
    for name in (name for name in variables if name != 'data_root'):
        others = {key: value for key, value in variables.items() if key != name}
        try:
            without = evaluated(others)
        except Exception:  # noqa: BLE001 - a program that fails without the setting: it has an effect
            continue
        if _value_or_none(without, name) != variables[name] and _read_part(without, read_by_runs) == changed:
            raise InputError(f'--cfg-options {name}={variables[name]}: {name!r} changes no setting of the run in '
                             f'{path}; change the setting itself, such as train_dataloader.batch_size')


def _value_or_none(cfg: Config, name: str) -> Any:
    try:
        return _value(cfg, name)
    except (KeyError, IndexError, TypeError, ValueError):
        return None


def _read_part(cfg: Config, names: set[str]) -> dict[str, Any]:
    return {name: value for name, value in cfg._cfg_dict.to_dict().items() if name in names}
