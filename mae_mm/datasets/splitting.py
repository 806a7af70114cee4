"""Which files of a folder are trained on, and which are held out."""
import zlib
from collections.abc import Sequence

from ..errors import InputError


def held_out(names: Sequence[str], share: float) -> set[str]:
    """Which of some files are not trained on: a share of them, chosen by name, and at least one.

    A file stays on its side when others come or go. Of two files or more at least one is left to train on.

    Raises:
        ValueError: a share that is not from 0 to 1.
    """
    if not 0 <= share < 1:
        raise InputError(f'held_out={share} is not a share of at least 0 and below 1, such as 0.2')
    place = {name: zlib.crc32(name.encode(errors='surrogateescape')) % 10_000 for name in names}
    order = sorted(names, key=lambda name: (place[name], name))
    chosen = [name for name in order if place[name] < share * 10_000] or order[:1 if share else 0]
    return set(chosen[:-1] if len(chosen) == len(order) else chosen)
