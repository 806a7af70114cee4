"""torchrun for dist_train.sh and dist_test.sh: ``python launch.py GPUS SCRIPT [arguments]``.

Where a process ends with a mistake of the user's, one line in place of stack traces. The environment says how several
machines meet, as the scripts tell.
"""
import logging
import os
import sys
from collections.abc import Mapping

USER_ERROR = 2  # as mae_mm/cli/common.py exits
MOST = 1024  # processes on a machine


def meeting(environment: Mapping[str, str]) -> list[str]:
    """Arguments of torchrun: on one machine a free port is found."""
    nodes, port = environment.get('NNODES') or '1', environment.get('PORT')
    if nodes == '1' and not port:
        return ['--standalone', '--local-addr=127.0.0.1']
    return [f'--nnodes={nodes}', f'--node-rank={environment.get("NODE_RANK") or 0}',
            f'--master-addr={environment.get("MASTER_ADDR") or "127.0.0.1"}', f'--master-port={port or 29500}']


def number(name: str, text: str, least: int) -> int:
    """A whole number that a script was given, or the end of it."""
    if not (text.isascii() and text.isdigit() and least <= int(text[:9]) <= MOST):
        print(f'error: {name}={text} is not a number from {least} to {MOST}', file=sys.stderr)
        sys.exit(USER_ERROR)
    return int(text)


def main() -> None:
    gpus, *command = sys.argv[1:]
    processes = number('GPUS', gpus, 1)
    restarts = number('RESTARTS', os.environ.get('RESTARTS') or '0', 0)
    if restarts and '--resume' not in command:
        print('error: RESTARTS is for runs that go on: add --resume auto', file=sys.stderr)
        sys.exit(USER_ERROR)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count() or 1
    threads = os.environ.setdefault('OMP_NUM_THREADS', str(-(-cores // processes)))  # else 1, with a warning
    os.environ.setdefault('MKL_NUM_THREADS', threads)
    os.environ.setdefault('TORCH_DISABLE_SHARE_RDZV_TCP_STORE', '1')  # else restarted processes look for the dead ones

    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.run import main as torchrun
    for name in ('torch.distributed.elastic.multiprocessing.api', 'torch.distributed.elastic.multiprocessing.errors'):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        torchrun([*meeting(os.environ), f'--nproc-per-node={processes}', f'--max-restarts={restarts}', *command])
    except ChildFailedError as error:
        _, failure = error.get_first_failure()
        if failure.exitcode == USER_ERROR:
            print(f'error: {failure.message}', file=sys.stderr)
        sys.exit(max(failure.exitcode, 1))
    except SignalException as stopped:  # Ctrl-C, which the processes have answered
        sys.exit(128 + stopped.sigval)


if __name__ == '__main__':
    main()
