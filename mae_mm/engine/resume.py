"""Finding the checkpoint to go on from."""
import glob
import os
from typing import Any

from ..errors import InputError


def latest_checkpoint(work_dir: str) -> str:
    """The checkpoint that was written last into a work dir, which may have been moved since.

    Raises:
        ValueError: there is none.
    """
    note = os.path.join(work_dir, 'last_checkpoint')
    if os.path.isfile(note):
        with open(note) as file:
            path = os.path.join(work_dir, os.path.basename(file.read().strip()))
        if os.path.isfile(path):
            return path
    found = glob.glob(os.path.join(glob.escape(work_dir), '[ie][tp]*_*.pth'))  # iter_100.pth, epoch_3.pth
    if not found:
        raise InputError(f'{work_dir} holds no checkpoint to resume from; train without --resume')
    return max(found, key=os.path.getmtime)


def last_of_run(runner: Any) -> str | None:
    """The checkpoint that a run wrote last, or the one that it was resumed from, if any is there."""
    found = runner.message_hub.runtime_info.get('last_ckpt') or (runner._load_from if runner._resume else None)
    return found if found and os.path.isfile(found) else None
