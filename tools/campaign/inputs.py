"""What a bad input is, and what has to become of it."""
import os
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from .stock import Stock

# What has to happen. Refused: status 2 and one line that names the thing; `check` and `predict` may go on with the
# rest, name it and end with status 1. Accepted: status 0, as nothing is wrong with it, or nothing that matters.
REFUSED, ACCEPTED, EITHER = 'refused', 'accepted', 'either'
GO_ON = ('check', 'predict')  # with what can be used
ROOT = hasattr(os, 'geteuid') and os.geteuid() == 0
NO_PERMISSIONS = 'permissions do not bind the user root' if ROOT else ''


@dataclass(frozen=True)
class Place:
    """Where an input is tried.

    Attributes:
        inputs: what the input makes; nothing may change there.
        out: the current folder of the command, the one place where it may write.
        marker: a file that no code of an input may make.
    """
    inputs: Path
    out: Path
    marker: Path
    stock: Stock
    rng: random.Random


@dataclass(frozen=True)
class BadInput:
    """A command that something is wrong with.

    Attributes:
        group: the class that it belongs to.
        what: what is wrong.
        where: the subcommand, and what of it, such as ``train-classify``.
        make: makes its files and returns the command's arguments.
        names: one of these is in what the user is told.
        expected: what has to become of it.
        why: it is accepted, or may be.
        skipped: why it cannot be tried here.
        script: a shell script of ``tools`` in place of the command.
    """
    group: str
    what: str
    where: str
    make: Callable[[Place], Sequence[object]]
    names: tuple[str, ...] = ()
    expected: str = REFUSED
    why: str = ''
    skipped: str = ''
    script: str = ''

    @property
    def name(self) -> str:
        return f'{self.group}/{self.what}/{self.where}'

    @property
    def command(self) -> str:
        return self.where.partition('-')[0]
