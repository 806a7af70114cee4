"""Read checkpoints that chance has damaged: each must be read, or refused in one line.

    python tools/fuzz_checkpoints.py [--seconds 60] [--seed 0] [--out work_dirs/fuzz] [--guided]
    python tools/fuzz_checkpoints.py FILE_OR_FOLDER ...     # these again

Whole files (torch's new and old format, safetensors, a Hugging Face folder) are changed: bits, parts, zip members,
pickle instructions, headers, configs. Forked processes of bounded memory read each by ``read_checkpoint``,
``load_weights`` and ``mae-mm inspect``. A failure is another exception than ``InputError``, a message of several lines
or without the file's name, a crash, no end within 10 seconds, memory far beyond the file, or anything run or written.
Its file is kept. The same seed makes the same files. With ``--guided`` atheris (``pip install atheris``) goes on from
those that reach new code. Exits with 1 if there are failures.
"""
import argparse
import faulthandler
import itertools
import json
import os
import resource
import select
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

if '--guided' in sys.argv:  # before what it looks into is imported
    import fuzz_guided  # noqa: F401

from fuzz_mutations import MARKER, make, seeds

from mae_mm.apis.inspecting import inspect_checkpoint
from mae_mm.checkpoint import load_weights, read_checkpoint
from mae_mm.errors import InputError

READERS: dict[str, Callable[[str], Any]] = dict(read=read_checkpoint, load=load_weights, inspect=inspect_checkpoint)
OUTCOMES = ('read', 'refused', 'FAILURE')
HANG_SECONDS = 10
MEMORY, GROWTH = 2 << 30, 128 << 20  # bytes: what a process may take beyond its own, and what one file may cost
CASES_OF_PROCESS = 500
RUNS = ('os.system', 'subprocess.Popen', 'os.posix_spawn', 'os.exec', 'os.fork', 'os.remove', 'os.rename', 'os.mkdir',
        'socket.connect', 'shutil.rmtree')  # of Python's audit events


def watch(seen: list[str]) -> None:
    """Note whatever would run a program or the text of a case, or write."""

    def hook(event: str, args: tuple) -> None:
        if event in RUNS or (event == 'compile' and MARKER in str(args[0])) or (
                event == 'open' and isinstance(args[2], int) and args[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)):
            seen.append(f'{event} {args[:1]}')

    sys.addaudithook(hook)


def try_readers(path: str, seen: list[str]) -> str:
    """What became of a file: 'read', 'refused', or why it is a failure."""
    outcome = 'read'
    before = peak()
    for name, reader in READERS.items():
        try:
            reader(path)
        except InputError as error:
            outcome = 'refused'
            text = str(error)
            if '\n' in text or len(text) > 2000 or os.path.basename(path) not in text:
                return f'{name}: a message of {len(text)} characters: {text[:200]!r}'
            if any(isinstance(cause, MemoryError) or 'allocate' in str(cause) for cause in causes(error)):
                return f'{name}: asked for more memory than {MEMORY >> 20} MiB'
        except BaseException as error:  # noqa: BLE001 - that is what is looked for
            frame = traceback.extract_tb(error.__traceback__)[-1]
            return f'{name}: {type(error).__name__} at {frame.filename}:{frame.lineno}: {str(error)[:200]!r}'
        if seen or os.path.exists(MARKER):
            return f'{name}: ran {seen or MARKER}'
        if peak() - before > GROWTH:
            return f'{name}: took {(peak() - before) >> 20} MiB'
    return outcome


def causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10


def put(files: dict[str, bytes], folder: Path) -> str:
    """Write a case; the path to read, which is the folder's own if it is of several files."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return str(folder if len(files) > 1 else folder / next(iter(files)))


def bounded() -> None:
    """Bound this process's memory, and let it be silent."""
    faulthandler.disable()
    silent = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(silent, stream)
    pages = int(Path('/proc/self/statm').read_text().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + MEMORY, ) * 2)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def tell_parent(pipe: int, *words: Any) -> None:
    os.write(pipe, (json.dumps(words) + '\n').encode())


def work(cases: Iterable[tuple[str, Callable[[], str]]], pipe: int) -> None:
    """In a process of its own: read files, and tell of each its class and outcome; a failure is the last."""
    bounded()
    watch(seen := [])
    for name, prepare in cases:
        path = prepare()
        seen.clear()
        outcome = try_readers(path, seen)
        tell_parent(pipe, name, outcome)
        if outcome not in OUTCOMES:  # what it has done may last
            break


def outcomes(start: Callable[[int, int], None], more: Callable[[int], bool]) -> Iterator[tuple[str, str]]:
    """Class and outcome of each case; after a failure another process goes on with the next one.

    Args:
        start: what a process does, of the number of its first case and of a pipe.
        more: whether there is a case of a number.
    """
    number = 0
    while more(number):
        ours, theirs = os.pipe()
        pid = os.fork()
        if not pid:
            try:
                os.close(ours)
                start(number, theirs)
            finally:
                os._exit(0)
        os.close(theirs)
        number, hangs = yield from told(ours, pid, number)
        os.close(ours)
        _, status = os.waitpid(pid, 0)
        if hangs or os.WIFSIGNALED(status):
            number += 1
            yield '', f'no end within {HANG_SECONDS} seconds' if hangs else f'killed by signal {os.WTERMSIG(status)}'


def told(pipe: int, pid: int, number: int) -> Iterator[Any]:
    """What a process tells until it ends or hangs; the number of the next case, and whether it hung."""
    text = b''
    while True:
        if not select.select([pipe], [], [], HANG_SECONDS)[0]:
            os.kill(pid, signal.SIGKILL)
            return number, True
        part = os.read(pipe, 1 << 16)
        if not part:
            return number, False
        *lines, text = (text + part).split(b'\n')
        for line in lines:
            number += 1
            yield json.loads(line)


def fuzz(seconds: float, seed: int, out: Path, guided: bool = False) -> int:
    """Read what chance makes until the time is over; the number of failures."""
    table: Counter[tuple[str, str]] = Counter()
    failures: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        case, whole = Path('case'), seeds()
        for kind, files in whole.items():  # which must be read
            for reader in READERS.values():
                reader(put(files, Path('whole', kind)))
        end = time.monotonic() + seconds

        def start(first: int, pipe: int) -> None:
            if guided:
                from fuzz_guided import guide
                guide(whole, case, pipe, seed + first, end - time.monotonic())
            made = (make(number, seed, whole) for number in range(first, first + CASES_OF_PROCESS))
            cases = ((name, lambda files=files: put(files, case)) for name, files in made)
            work(itertools.takewhile(lambda _: time.monotonic() < end, cases), pipe)

        for number, (name, outcome) in enumerate(outcomes(start, lambda number: time.monotonic() < end)):
            name = name or ('guided' if guided else make(number, seed, whole)[0])
            table[name, outcome if outcome in OUTCOMES else 'FAILURE'] += 1
            if outcome not in OUTCOMES:
                kept = out / f'{seed}-{number}'
                shutil.copytree(case, kept, dirs_exist_ok=True)
                failures.append(f'{name}: {outcome}\n  kept: {kept}')
        os.chdir(out.anchor)
    tell(table, failures)
    return len(failures)


def tell(table: Counter, failures: Sequence[str]) -> None:
    print(f'{"class":<20}{"files":>8}' + ''.join(f'{outcome:>10}' for outcome in OUTCOMES))
    for name in (*sorted({name for name, _ in table}), 'all'):
        counts = [sum(count for (of, kind), count in table.items() if kind == outcome and name in (of, 'all'))
                  for outcome in OUTCOMES]
        print(f'{name:<20}{sum(counts):>8}' + ''.join(f'{count:>10}' for count in counts))
    for failure in failures:
        print(f'FAILURE {failure}')


def again(paths: Sequence[str]) -> int:
    """Read files that were kept; the number of failures."""

    def start(first: int, pipe: int) -> None:
        work(((path, lambda path=path: path) for path in paths[first:]), pipe)

    failed = 0
    for path, (_, outcome) in zip(paths, outcomes(start, lambda number: number < len(paths)), strict=True):
        print(f'{path}: {outcome}')
        failed += outcome not in OUTCOMES
    return failed


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description='Read checkpoints that chance has damaged')
    parser.add_argument('files', nargs='*', help='read these that were kept, in place of new ones')
    parser.add_argument('--seconds', type=float, default=60)
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--guided', action='store_true', help='choose the changes by what code they reach (atheris)')
    parser.add_argument('--out', default='work_dirs/fuzz', help='where the files of failures are kept')
    args = parser.parse_args(argv)
    paths = [os.path.abspath(path) for path in args.files]
    failed = again(paths) if paths else fuzz(args.seconds, args.seed, Path(args.out).absolute(), args.guided)
    sys.exit(1 if failed else 0)


if __name__ == '__main__':
    main()
