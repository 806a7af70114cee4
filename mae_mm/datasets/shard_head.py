"""``shards.json``: which tar files a folder of shards has, their sizes and hashes, and the classes."""
import json
import os
from typing import Any

from ..errors import InputError
from .files import check_file

HEAD, INDEX, SUFFIX = 'shards.json', 'shards.index', '.tar'
FORMAT = 'mae_mm.shards 1'


def read_head(folder: str) -> dict[str, Any]:
    """The contents of ``shards.json``.

    Raises:
        ValueError: there is none, or it is not one of ours.
    """
    path = os.path.join(folder, HEAD)
    check_file(path, 'an index of shards')
    try:
        with open(path, encoding='utf-8') as file:
            head = json.load(file)
        told = head['format'], head['source'], head['index']['sha256'], *(
            shard[key] for shard in head['shards'] for key in ('name', 'sha256'))
        numbers = head['images'], *(shard[key] for shard in head['shards'] for key in ('bytes', 'images'))
        names = [shard['name'] for shard in head['shards']]
        good = all(isinstance(text, str) for text in told) and all(
            type(number) is int and 0 <= number < 1 << 63 for number in numbers)
        good = good and all(os.path.basename(name) == name and name.endswith(SUFFIX) for name in names)
    except (OSError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise InputError(f'{path} is not an index of shards ({type(error).__name__}: {error}); mae-mm shards make '
                         'SOURCE DIR writes one') from None
    if not good or head['format'] != FORMAT:
        raise InputError(f'{path} is not an index of shards in the format {FORMAT}; mae-mm shards make SOURCE DIR '
                         'writes one')
    return head
