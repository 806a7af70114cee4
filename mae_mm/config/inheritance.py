"""What the files of a config assign to whom: a config runs after its bases, so an assignment may reach nobody."""
import ast
import difflib
import os
from collections.abc import Collection, Iterator
from functools import cached_property
from typing import Any

import mmengine
from mmengine.config import Config

from ..errors import InputError

HOSTS = os.path.dirname(os.path.dirname(mmengine.__file__))  # whose files are not the user's to mend

# mmsegmentation 0.x's top-level settings, which nothing reads any more.
OLD_KEYS = {
    'fp16': "optim_wrapper = dict(type='AmpOptimWrapper', loss_scale='dynamic', ...)",
    'optimizer': 'optim_wrapper.optimizer',
    'optimizer_config': 'optim_wrapper',
    'lr_config': 'param_scheduler',
    'checkpoint_config': 'default_hooks.checkpoint',
    'log_config': 'default_hooks.logger',
    'evaluation': 'val_evaluator and train_cfg.val_interval',
    'runner': 'train_cfg',
    'data': 'train_dataloader, val_dataloader and test_dataloader',
}


class Program:
    """A config file: the names that it assigns at the top level, those that it reads, and its bases."""

    def __init__(self, path: str):
        self.path = path
        with open(path, encoding='utf-8') as file:
            self.tree = ast.parse(file.read())
        bases = Config._get_base_files(path)
        self.bases = [Program(Config._get_cfg_path(base, path)[0]) for base in bases]

    @cached_property
    def assigned(self) -> dict[str, ast.expr]:
        """Name -> what is assigned to it last."""
        return {node.targets[0].id: node.value for node in self.tree.body
                if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)}

    @cached_property
    def read(self) -> set[str]:
        """Names that the file reads, of its own and (``_base_.name``) of its bases."""
        nodes = list(ast.walk(self.tree))
        own = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
        of_bases = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
        texts = [node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)]
        return own | of_bases | {name for name in self.assigned if any(f'_base_.{name}' in text for text in texts)}

    def __iter__(self) -> 'Iterator[Program]':
        """The file and all of its bases."""
        yield self
        for base in self.bases:
            yield from base

    @property
    def known(self) -> set[str]:
        """All names that this file or one of its bases assigns."""
        return set(self.assigned).union(*(base.known for base in self.bases))


def inherited_settings(program: Program, runner_keys: Collection[str]) -> dict[str, Any]:
    """Variables of the bases that a file sets to other values without reading them itself: it means the bases."""
    found: dict[str, Any] = {}
    for base in program.bases:
        found.update(inherited_settings(base, runner_keys))
    of_bases: set[str] = set().union(*(base.known for base in program.bases))
    for name, value in program.assigned.items():
        if name in of_bases and name not in program.read and name not in runner_keys and name != '_base_':
            try:
                found[name] = ast.literal_eval(value)
            except ValueError:  # computed: left to whoever merges it
                continue
    return found


def check_names(program: Program, runner_keys: Collection[str]) -> None:
    """Refuse a name that neither a run nor any file of the config reads.

    A base may offer names to others, and a file without bases may be what a run wrote of its config, in which nothing
    is computed any more: there, what is nearly a name that a run reads is refused.

    Raises:
        ValueError: with the file, and what is meant.
    """
    files = list(program)
    known = set(runner_keys).union({'_base_'}, *(file.read for file in files))
    for file in files:
        for name in file.assigned if not file.path.startswith(HOSTS) else ():
            if name in known or name.startswith('_'):
                continue
            if name in OLD_KEYS:
                raise InputError(f'{file.path}: {name!r} at the top level is a setting of mmsegmentation 0.x that '
                                 f'nothing reads now; use {OLD_KEYS[name]}')
            strict = file is program and file.bases
            others = set(runner_keys) | (program.known - {'_base_', name} if strict else set())
            near = difflib.get_close_matches(name, others, n=1, cutoff=.6 if strict else .85)
            if near or strict:
                raise InputError(f'{file.path}: nothing reads {name!r}' + (f'; is it {near[0]!r}?' if near else
                                 '; remove it, or begin its name with an underscore'))
