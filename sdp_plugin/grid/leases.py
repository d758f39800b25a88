"""Which worker has a cell: leases as files, on any folder that all workers see, without locks and without a server.

A cell's folder holds ``claim.0``, ``claim.1``, ...: the attempts at it. The highest number has the cell. A file of a
new number is created exclusively, so of several workers that see a cell free only one gets it. Claims are never
removed, so a number means one attempt for ever.

A claim lapses

* when its worker gives it up, which rewrites the file as released;
* at once when its process is known to be gone: it ran on this machine, since the same boot, in the same space of
  process numbers, and no process has its number and start time, or it has ended and was not collected yet;
* at once when it is no regular file: a folder or a link is nobody's;
* else when the worker has not touched the file for the length of the lease, or has touched it that far in the future,
  which no heartbeat does. The age is measured by the clock of the file system, that of a file which was created just
  now, so the clocks of machines need not agree. The file is opened before it is asked, as NFS refreshes attributes
  then. A heartbeat takes a sixth of the lease.

What can go wrong, and why no result is lost or doubled all the same:

* A worker is stopped (SIGSTOP, a laptop that sleeps) and wakes when its claim has been taken over. Its heartbeat sees
  the higher number within moments and interrupts the training. Whatever it had still managed to write has the number of
  its attempt in the name, and ``result.json`` is created exclusively, so nothing of the successor's changes.
* A worker sees a cell free and is held up while another runs and finishes it. Then the number that it wants is taken;
  or it is not, as the other was the stopped one above. Therefore it looks again for a result or a failure once it has
  the claim, and gives it back.
* A worker is killed between any two writes. The result comes last and whole; without it the cell counts as not done,
  and what lies there is overwritten or left aside.
* A claim file is empty, as its worker was killed while it wrote on a file system without links. It lapses by its age.
* Two machines have one boot id, as clones of a running virtual machine do. The host name must agree as well.
* NFS shows an old directory. The number that a worker wants is taken on the server, whatever it sees.
"""

from __future__ import annotations

import errno
import json
import math
import os
import signal
import socket
import stat
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import NamedTuple

from sdp_plugin.errors import UserError
from sdp_plugin.files import naming, write_text_atomically
from sdp_plugin.records import read_json

LEASE = 120.0
"""Seconds after which a claim lapses that was not touched."""

SHORTEST_LEASE = 1.0
HEARTBEATS_PER_LEASE = 6
MAX_BYTES = 2**16
NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)
PREFIX = 'claim.'


def check_lease(lease: float) -> None:
    """Raise UserError unless a lease is long enough for its heartbeats."""
    if not SHORTEST_LEASE <= lease < math.inf:
        raise UserError('--lease is a number of seconds.', looked_for=f'at least {SHORTEST_LEASE:g}', found=lease)


@dataclass(frozen=True)
class Owner:
    """The process that has a claim.

    Args:
        worker (str): Name of the worker, for people.
        host (str): Name of its machine.
        boot (str): Id of the machine's boot; empty where the system has none.
        namespace (str): Which space of process numbers it is in; empty where the system has none.
        pid (int): Number of its process.
        started (str): When the process started, in ticks since the boot; empty where the system does not say.
        released (bool): Whether it gave the claim up.
    """

    worker: str
    host: str
    boot: str
    namespace: str
    pid: int
    started: str
    released: bool = False


UNREADABLE = Owner('a worker', host='', boot='', namespace='', pid=0, started='')


def this_process(worker: str = '') -> Owner:
    """This process as the owner of claims."""
    host, boot, namespace = _this_machine()
    pid = os.getpid()
    return Owner(worker or f'{host}-{pid}', host, boot, namespace, pid, _start_of(pid))


@cache
def _this_machine() -> tuple[str, str, str]:
    return socket.gethostname(), _read('/proc/sys/kernel/random/boot_id'), _link('/proc/self/ns/pid')


def _read(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ''


def _link(path: str) -> str:
    try:
        return os.readlink(path)
    except OSError:
        return ''


def _start_of(pid: int) -> str:
    """The start time of a process that runs; empty if none does."""
    # The name in parentheses may hold anything; the state comes first behind it, the start time twentieth.
    fields = _read(f'/proc/{pid}/stat').rpartition(')')[2].split()
    return fields[19] if len(fields) > 19 and fields[0] not in 'ZX' else ''


def is_gone(owner: Owner) -> bool:
    """Whether the process is known to have ended. False where this machine cannot know."""
    host, boot, namespace = _this_machine()
    is_here = bool(boot and namespace and owner.started) and (host, boot, namespace) == (
        owner.host,
        owner.boot,
        owner.namespace,
    )
    return is_here and _start_of(owner.pid) != owner.started


def create_exclusively(path: Path, text: str, without_links: Callable[[Path, Path], bool] | None = None) -> bool:
    """Create a file with all of its text, unless it is there already.

    Args:
        path (Path): The file.
        text (str): Its text.
        without_links (Callable[[Path, Path], bool] | None): Moves the temporary file to ``path`` on file systems that
            have no links (exFAT, some network shares), and says whether it did. Defaults to creating ``path`` empty
            first, which is exclusive.

    Returns:
        bool: Whether it was created.

    Raises:
        OSError: It cannot be written.
    """
    temporary = path.with_name(f'.{path.name}.{uuid.uuid4().hex[:8]}')
    try:
        with naming(path), open(temporary, 'x', encoding='utf-8') as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.link(temporary, path)
    except FileExistsError:
        # NFS repeats a request whose answer was lost, and then finds its own link.
        return temporary.stat().st_nlink > 1
    except OSError as error:
        if error.errno not in NO_LINKS:
            raise
        return (without_links or _create_empty_first)(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    return True


def _create_empty_first(temporary: Path, path: Path) -> bool:
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
    except FileExistsError:
        return False
    os.replace(temporary, path)
    return True


def file_system_time(folder: Path) -> float:
    """The time on the clock that dates the files of a folder; this machine's where the folder cannot be written."""
    probe = folder / f'.clock.{uuid.uuid4().hex[:8]}'
    try:
        with open(probe, 'x') as file:
            return os.fstat(file.fileno()).st_mtime
    except OSError:
        return time.time()
    finally:
        probe.unlink(missing_ok=True)


class _Written(NamedTuple):
    owner: Owner | None
    touched: float


NOBODY = _Written(None, -math.inf)


def _written(path: Path) -> _Written | None:
    """A claim file's owner, if it is readable, and when it was touched; None if the file is gone."""
    try:
        status = path.lstat()
        if not stat.S_ISREG(status.st_mode):
            return NOBODY
        with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), 'rb') as file:
            return _Written(_owner(file.read(MAX_BYTES)), os.fstat(file.fileno()).st_mtime)
    except FileNotFoundError:
        return None
    except OSError:
        return _Written(None, status.st_mtime)


def _owner(text: bytes) -> Owner | None:
    try:
        owner = Owner(**read_json(text, PREFIX))
    except (ValueError, TypeError):
        return None
    types = {'pid': int, 'released': bool}
    is_sound = all(isinstance(value, types.get(name, str)) for name, value in vars(owner).items())
    return owner if is_sound else None


def generations(names: Iterable[str]) -> list[int]:
    """The numbers of the attempts among the names of files, ascending."""
    numbers = [name.removeprefix(PREFIX) for name in names if name.startswith(PREFIX)]
    return sorted(int(number) for number in numbers if number.isascii() and number.isdigit())


def holder(folder: Path, names: Iterable[str], lease: float = LEASE) -> Owner | None:
    """Who has a cell now.

    Args:
        folder (Path): The cell's folder.
        names (Iterable[str]): The names of the files in it.
        lease (float): Seconds after which a claim lapses. Defaults to ``LEASE``.

    Returns:
        Owner | None: The owner, ``UNREADABLE`` where its claim is not whole; None where the cell is free.
    """
    numbers = generations(names)
    written = _written(folder / f'{PREFIX}{numbers[-1]}') if numbers else None
    if written is None or _has_lapsed(written, folder, lease):
        return None
    return written.owner or UNREADABLE


def _has_lapsed(written: _Written, folder: Path, lease: float) -> bool:
    if written.owner and (written.owner.released or is_gone(written.owner)):
        return True
    return abs(file_system_time(folder) - written.touched) > lease


@dataclass(frozen=True)
class Claim:
    """A cell that this process has.

    Args:
        folder (Path): The cell's folder.
        generation (int): Number of the attempt.
        owner (Owner): This process.
    """

    folder: Path
    generation: int
    owner: Owner

    @property
    def path(self) -> Path:
        """The claim's file."""
        return self.folder / f'{PREFIX}{self.generation}'

    def is_held(self) -> bool:
        """Whether nobody has taken the cell over."""
        try:
            return generations(os.listdir(self.folder))[-1:] == [self.generation]
        except FileNotFoundError:
            return False

    def touch(self) -> None:
        """Say that this process still works on it."""
        # It may be taken over and finished, which is_held tells, or the shared folder be away for a moment.
        with suppress(OSError):
            os.utime(self.path)

    def release(self) -> None:
        """Let another worker have the cell."""
        # On a full disk it lapses with this process.
        with suppress(OSError):
            if self.is_held():
                write_text_atomically(self.path, json.dumps(asdict(replace(self.owner, released=True))))

    def name(self, file_name: str) -> str:
        """The name under which this attempt writes a file: later attempts than the first add their number."""
        path = Path(file_name)
        return f'{path.stem}.{self.generation}{path.suffix}' if self.generation else file_name


def claim(folder: Path, owner: Owner, lease: float = LEASE) -> Claim | None:
    """Try to get a cell.

    Args:
        folder (Path): The cell's folder, which is made where it is missing.
        owner (Owner): This process.
        lease (float): Seconds after which a claim of another lapses. Defaults to ``LEASE``.

    Returns:
        Claim | None: The claim; None where another worker has the cell.
    """
    folder.mkdir(parents=True, exist_ok=True)
    numbers = generations(os.listdir(folder))
    if numbers:
        written = _written(folder / f'{PREFIX}{numbers[-1]}')
        if written is None or not _has_lapsed(written, folder, lease):
            return None
    attempt = Claim(folder, numbers[-1] + 1 if numbers else 0, owner)
    return attempt if create_exclusively(attempt.path, json.dumps(asdict(owner))) else None


class Superseded(BaseException):
    """Another worker has taken a claim over. No :class:`Exception`, so that no training takes it for an error."""


@contextmanager
def heartbeat(claims: Callable[[], Sequence[Claim]], lease: float = LEASE) -> Iterator[None]:
    """Keep claims while the block runs.

    If one is taken over, :class:`Superseded` is raised in the block, provided it runs in the main thread; elsewhere
    it runs to its end.

    Args:
        claims (Callable[[], Sequence[Claim]]): Gives the claims to keep now.
        lease (float): Seconds after which a claim lapses that is not kept. Defaults to ``LEASE``.
    """
    stop = threading.Event()
    in_main_thread = threading.current_thread() is threading.main_thread()

    def superseded(signal_number: int, frame: object) -> None:
        if not stop.is_set():
            raise Superseded

    def beat() -> None:
        while not stop.wait(lease / HEARTBEATS_PER_LEASE):
            kept = claims()
            for held in kept:
                held.touch()
            # What was finished in between is kept no longer, whoever has it.
            if any(not _still_held(held) and held in claims() for held in kept):
                if in_main_thread and not stop.is_set():
                    signal.pthread_kill(threading.main_thread().ident, signal.SIGUSR2)
                return

    before = signal.signal(signal.SIGUSR2, superseded) if in_main_thread else None
    thread = threading.Thread(target=beat, name='heartbeat', daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        if in_main_thread:
            signal.signal(signal.SIGUSR2, before)


def _still_held(held: Claim) -> bool:
    try:
        return held.is_held()
    except OSError:
        # The shared folder is away for a moment: nobody else can have taken the cell over either, or it shows later.
        return True
