"""torchrun, without its own stack trace when a process ends with an error that it has told already."""
import logging
import sys

from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.run import main

if __name__ == '__main__':
    for name in ('torch.distributed.elastic.multiprocessing.api', 'torch.distributed.elastic.multiprocessing.errors'):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        main()
    except ChildFailedError as error:
        sys.exit(max(failure.exitcode for failure in error.failures.values()) or 1)
