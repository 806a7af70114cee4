"""One input, tried in a process of its own, and judged."""
import hashlib
import os
import random
import re
import resource
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
import traceback
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mae_mm.cli import main as mae_mm

from .inputs import ACCEPTED, GO_ON, REFUSED, BadInput, Place
from .stock import Stock

SECONDS, BYTES = 60, 1 << 30  # that a command may take; of memory, more than this process has
TOOLS = Path(__file__).resolve().parent.parent
ERROR = re.compile(r'^(?:[\w-]+(?: \w+){0,2}: )?error: (.+)$', re.MULTILINE)
PAGE = resource.getpagesize()


@dataclass
class Outcome:
    """What became of an input; ``failure`` says what is wrong with that."""
    name: str
    outcome: str  # refused, accepted, skipped or FAILED
    told: str = ''
    failure: str = ''
    status: int | None = None
    seconds: float = 0.
    megabytes: int = 0
    output: str = ''


def attempt(bad: BadInput, stock: Stock, seed: int = 0, keep: Path | None = None) -> Outcome:
    """Make an input, run its command, judge what happened."""
    if bad.skipped:
        return Outcome(bad.name, 'skipped', bad.skipped)
    folder = keep or Path(tempfile.mkdtemp(prefix='bad-input-'))
    place = Place(folder / 'inputs', folder / 'out', folder / 'marker', stock,
                  random.Random(zlib.crc32(bad.name.encode()) + seed))
    for made in (place.inputs, place.out, folder / 'home'):
        made.mkdir(parents=True)
    try:
        argv = [os.fspath(part) if isinstance(part, os.PathLike) else str(part) for part in bad.make(place)]
        (folder / 'command.txt').write_bytes(os.fsencode(' '.join([bad.script or 'mae-mm', *argv])))
        before = state_of(folder, place.out), state_of(stock.root)
        done = _run_script(bad.script, argv, place) if bad.script else run(argv, place)
        after = state_of(folder, place.out), state_of(stock.root)
        return _judged(bad, done, place, before, after)
    finally:
        if keep is None:
            _remove(folder)


def run(argv: Sequence[str], place: Place) -> Outcome:
    """Fork, call the command, and watch its time and memory."""
    paths = [place.out.parent / name for name in ('stdout', 'stderr')]
    base = _memory(os.getpid())
    pid = os.fork()
    if not pid:
        _be_the_command(argv, place, paths)
    begin = time.monotonic()
    most, told = 0, ''
    try:
        while True:
            done, status, usage = os.wait4(pid, os.WNOHANG)
            if done:
                break
            most = max(most, _memory(pid) - base)
            if most > BYTES or time.monotonic() - begin > SECONDS:
                told = told or ('memory' if most > BYTES else 'hang')
                os.kill(pid, signal.SIGKILL)
            time.sleep(.004)
    except KeyboardInterrupt:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        raise
    most = max(most, usage.ru_maxrss * 1024 - base)
    output = '\n'.join(path.read_text(errors='backslashreplace') for path in paths)
    return Outcome('', '', failure=told or ('memory' if most > BYTES else ''),
                   status=os.waitstatus_to_exitcode(status), seconds=time.monotonic() - begin,
                   megabytes=most >> 20, output=output)


def _memory(pid: int) -> int:
    """Bytes of a process that are in memory now."""
    try:
        with open(f'/proc/{pid}/statm') as file:
            return int(file.read().split()[1]) * PAGE
    except (OSError, IndexError):  # it has just ended
        return 0


def _be_the_command(argv: Sequence[str], place: Place, paths: Sequence[Path]) -> None:
    """What the forked process does; it never returns."""
    status = 1
    try:
        os.setsid()
        os.chdir(place.out)
        for path, number in zip(paths, (1, 2), strict=True):
            os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666), number)
        sys.stdin = open(os.devnull)
        sys.stdout, sys.stderr = (open(number, 'w', buffering=1, errors=errors, closefd=False)
                                  for number, errors in ((1, 'strict'), (2, 'backslashreplace')))
        home = str(place.out.parent / 'home')
        os.environ.update(HOME=home, TMPDIR=home, XDG_CACHE_HOME=home)
        tempfile.tempdir = home
        sys.argv = ['mae-mm', *argv]
        mae_mm()
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else 1
    except BaseException:  # noqa: BLE001 - a stack trace, as the interpreter writes it
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _run_script(script: str, argv: Sequence[str], place: Place) -> Outcome:
    begin = time.monotonic()
    try:
        done = subprocess.run([str(TOOLS / script), *argv], cwd=place.out, text=True, timeout=SECONDS,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              env={**os.environ, 'PYTHON': sys.executable})
    except subprocess.TimeoutExpired as late:
        return Outcome('', '', failure='hang', output=str(late.stdout), seconds=SECONDS)
    return Outcome('', '', status=done.returncode, output=done.stdout, seconds=time.monotonic() - begin)


def state_of(folder: Path, but: Path | None = None) -> dict[str, str]:
    """What a folder holds, without the outputs: path -> kind, permissions and contents."""
    found = {}
    for root, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if but is None or os.path.join(root, name) != str(but)]
        for name in folders + files:
            path = os.path.join(root, name)
            if root == str(folder) and name in ('stdout', 'stderr', 'marker'):
                continue
            status = os.lstat(path)
            told = f'{status.st_mode:o}'
            if stat.S_ISREG(status.st_mode):
                told += f' {status.st_size} {_digest(path, status)}'
            found[os.fsencode(path).decode(errors='backslashreplace')] = told
    return found


_digests: dict[tuple, str] = {}


def _digest(path: str, status: os.stat_result) -> str:
    key = (path, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    if key not in _digests:
        try:
            _digests[key] = hashlib.sha256(Path(path).read_bytes()).hexdigest() if status.st_size < 1 << 26 else ''
        except OSError:
            _digests[key] = ''
    return _digests[key]


def _remove(folder: Path) -> None:
    for root, folders, _ in os.walk(folder):
        for name in folders:
            with_all = os.path.join(root, name)
            if not os.path.islink(with_all):
                os.chmod(with_all, 0o700)
    shutil.rmtree(folder, ignore_errors=True)


def _judged(bad: BadInput, done: Outcome, place: Place, before: tuple, after: tuple) -> Outcome:
    done.name = bad.name
    errors = ERROR.findall(done.output)
    done.told = errors[-1] if errors else _last_line(done.output)
    done.failure = done.failure or _harm(place, before, after) or _noise(done) or _answer(bad, done, errors)
    done.outcome = 'FAILED' if done.failure else 'accepted' if done.status == 0 else 'refused'
    return done


def _harm(place: Place, before: tuple, after: tuple) -> str:
    if place.marker.exists():
        return 'code of the input ran'
    for old, new in zip(before, after, strict=True):
        for path in {**old, **new}:
            if path not in old:
                return f'written outside the outputs: {path}'
            if old[path] != new.get(path):
                return f'an input changed: {path}'
    return ''


def _noise(done: Outcome) -> str:
    if done.status is not None and done.status < 0:
        return f'ended by {signal.Signals(-done.status).name}'
    return 'stack trace' if 'Traceback (most recent call last)' in done.output else ''


def _answer(bad: BadInput, done: Outcome, errors: Sequence[str]) -> str:
    """What is wrong with a status and what was said."""
    named = not bad.names or any(name in done.output for name in bad.names)
    if done.status == 0:
        if bad.expected == REFUSED:
            return 'silent: accepted'
        return '' if named or bad.expected != ACCEPTED else f'silent: nothing of {" or ".join(bad.names)} is said'
    if bad.expected == ACCEPTED:
        return 'refused, and should be accepted'
    if done.status == 1 and bad.command in GO_ON:
        return '' if named else f'nothing of {" or ".join(bad.names)} is said'
    if done.status != 2:
        return f'status {done.status}'
    if len(errors) != 1:
        return f'{len(errors)} lines of errors'
    if bad.names and not any(name in errors[0] for name in bad.names):
        return f'the error names none of {" or ".join(bad.names)}'
    return '' if len(errors[0]) > 12 else 'the error says nothing'


def _last_line(output: str) -> str:
    lines = output.strip().splitlines()
    return lines[-1] if lines else ''
