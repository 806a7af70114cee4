"""Progress of what takes longer than a moment."""
import contextlib
import sys
from collections.abc import Iterator

from mmengine.utils import ProgressBar


@contextlib.contextmanager
def progress_of(count: int) -> Iterator[ProgressBar]:
    """mmengine's bar on the standard error, whose line ends whatever happens."""
    bar = ProgressBar(count, file=sys.stderr)
    try:
        yield bar
    finally:
        sys.stderr.write('\n')
