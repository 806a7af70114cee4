"""The error that is a message to the user."""
from collections.abc import Iterable


class InputError(ValueError):
    """Something that the user gave (a config, a file, an image) cannot be used.

    The message is one line that names the thing and says what to do. The command line tools
    print it without a stack trace and exit with status 2.
    """


class Stopped(Exception):
    """A run was asked to stop, and has: the message says where it goes on. The tools exit with status 75."""


class Incomplete(Exception):
    """What could be done is done, and the message names what could not. The tools exit with status 1."""


def listed(names: Iterable[str]) -> str:
    """The first three of some names, none longer than a line."""
    names = list(names)
    shown = [name if len(name) <= 100 and name.isprintable() else repr(name[:100]) for name in names[:3]]
    return ', '.join(shown) + (f' and {len(names) - 3} more' if len(names) > 3 else '')
