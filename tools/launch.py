"""torchrun, with one line in place of stack traces where a process ends with a mistake of the user's."""
import logging
import sys

from torch.distributed.elastic.multiprocessing.api import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.run import main

USER_ERROR = 2  # as mae_mm/cli/common.py exits

if __name__ == '__main__':
    for name in ('torch.distributed.elastic.multiprocessing.api', 'torch.distributed.elastic.multiprocessing.errors'):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        main()
    except ChildFailedError as error:
        _, failure = error.get_first_failure()
        if failure.exitcode == USER_ERROR:
            print(f'error: {failure.message}', file=sys.stderr)
        sys.exit(max(failure.exitcode, 1))
    except SignalException as stopped:  # Ctrl-C, which the processes have answered
        sys.exit(128 + stopped.sigval)
