"""Data loaders' workers: which signals they obey, and what is said when one is lost."""
import os
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator

from torch._C import _error_if_any_worker_fails

SIGNALS = [getattr(signal, name) for name in ('SIGTERM', 'SIGHUP', 'SIGUSR1') if hasattr(signal, name)]
_LOST_WORKER = re.compile(r'DataLoader worker \(pid(?:\(s\))? ([\d, ]+)\) (?:is killed by signal(: \w+)|exited)')


def start_worker(then: Callable[[int], None] | None, worker_id: int) -> None:
    """The first thing that a data loader's worker does: from now on it ends by a signal of the run's process alone.

    Clusters signal all processes of a run, and a worker that ends takes the run with it before anything is saved.
    """
    if hasattr(signal, 'sigwaitinfo'):  # not so on macOS
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        threading.Thread(target=_obey_parent, daemon=True).start()
    if then is not None:
        then(worker_id)


def _obey_parent() -> None:
    while signal.sigwaitinfo(SIGNALS).si_pid != os.getppid():
        pass
    os._exit(0)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def lost_worker(error: Exception) -> str | None:
    """What is to be said of an error if a worker that ended caused it; None if none did."""
    told = [str(cause) for cause in _causes(error)]  # torch's may have been raised in the middle of anything
    try:
        # A pipe breaks before its process is gone.
        for _ in range(20 if isinstance(error, (OSError, EOFError)) else 1):
            _error_if_any_worker_fails()
            time.sleep(.05)
    except RuntimeError as failure:
        told.append(str(failure))
    lost = _LOST_WORKER.search(' '.join(told))
    return lost and f'a data loader\'s worker ended (process {lost[1]}{lost[2] or ""}), most often for want of memory'
