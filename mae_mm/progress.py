"""Progress of what takes longer than a moment, and what a user is told before a run."""
import contextlib
import io
import logging
import os
import sys
from collections.abc import Iterator

from mmengine.logging import print_log
from mmengine.utils import ProgressBar

LARGE_BYTES = 10**9


@contextlib.contextmanager
def progress_of(count: int, shown: bool = True) -> Iterator[ProgressBar]:
    """mmengine's bar on the standard error, whose line ends whatever happens."""
    stream = sys.stderr if shown else io.StringIO()
    bar = ProgressBar(count, file=stream)
    try:
        yield bar
    finally:
        stream.write('\n')


def tell_reading(path: str) -> None:
    """Say on the standard error that a file is read, if it is so large that it takes a while."""
    size = os.path.getsize(path)
    if size > LARGE_BYTES and int(os.environ.get('RANK', 0)) == 0:
        sys.stderr.write(f'reading {path}, {size / 1e9:.1f} GB\n')


def tell(message: str, level: int = logging.INFO) -> None:
    """A line of the log, which the first of several processes writes."""
    if int(os.environ.get('RANK', 0)) == 0:
        print_log(message, logger='current', level=level)
