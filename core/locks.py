"""A folder held by one process: the system lets go of it when the process ends, however it ends.

The file ``lock`` in the folder says which process holds it. That it is there means nothing; that it is locked does.
"""

import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO

from core.errors import LabError

NAME = "lock"
TRIES, PAUSE = 20, 0.05  # somebody who only looks holds the file for an instant
LARGEST = 1000  # bytes of the text that says who holds it
TAKEN = (BlockingIOError, PermissionError)
FLAGS = os.O_RDWR | os.O_CREAT | os.O_APPEND  # as open's "a+" has them
FLAGS |= getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)  # a link could lead to a file of somebody else

if sys.platform == "win32":
    import msvcrt

    BYTE = LARGEST  # that is locked: behind the text, which stays readable

    def _lock(file: BinaryIO, *, shared: bool = False) -> None:
        file.seek(BYTE)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)

    def _unlock(file: BinaryIO) -> None:
        file.seek(BYTE)
        msvcrt.locking(file.fileno(), msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def _lock(file: BinaryIO, *, shared: bool = False) -> None:
        fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)

    def _unlock(file: BinaryIO) -> None:
        fcntl.flock(file, fcntl.LOCK_UN)


@dataclass(frozen=True)
class Process:
    """A process, told from a later one of the same number by its birth where the system says that (Linux)."""

    pid: int
    birth: str  # empty where the system does not say

    @property
    def alive(self) -> bool:
        """Whether it certainly runs, on this machine."""
        return bool(self.birth) and process(self.pid).birth == self.birth


def process(pid: int) -> Process:
    """The process of that number; one that is over has no birth."""
    try:
        words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return Process(pid, "")
    return Process(pid, "" if words[0] in "ZX" else words[19])


@contextmanager
def hold(folder: Path) -> Iterator[None]:
    """Hold ``folder``, made if it is not there. Raises :class:`LabError` if another process or thread holds it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = _locked(folder / NAME)
    except OSError as error:
        raise LabError(f"Cannot write in {folder}: {(error.strerror or str(error)).lower()}.") from error
    with file:
        with suppress(OSError):  # on a full disk the lock holds, only its words are missing
            _say(file, json.dumps(asdict(process(os.getpid()))).encode())
        try:
            yield
        finally:
            with suppress(OSError):
                _say(file, b"")
            with suppress(OSError):
                _unlock(file)


def holder(folder: Path) -> Process | None:
    """The process that holds ``folder``, None if none does; its number is 0 where it cannot be told."""
    try:
        with (folder / NAME).open("rb") as file:
            try:
                _lock(file, shared=True)
            except TAKEN:
                file.seek(0)
                return _parse(file.read(LARGEST))
            _unlock(file)
    except OSError:  # no such file, or no locks here
        pass
    return None


def _say(file: BinaryIO, words: bytes) -> None:
    """Put words into the file, past no buffer that would be written when it is closed."""
    os.ftruncate(file.fileno(), 0)
    os.write(file.fileno(), words)


def _locked(path: Path) -> BinaryIO:
    """The file, locked. Raises :class:`LabError` if somebody else has it."""
    for _ in range(TRIES):
        file = os.fdopen(os.open(path, FLAGS, 0o666), "a+b")
        try:
            _lock(file)
            if _is_still(path, file):
                return file
        except TAKEN:
            pass
        except OSError:  # a file system without locks: nobody can hold anything
            return file
        file.close()
        time.sleep(PAUSE)
    at_work = holder(path.parent)
    who = f", in process {at_work.pid}" if at_work is not None and at_work.pid else ""
    raise LabError(f"This training runs already{who}. Wait for its end, or stop it and start it again.")


def _is_still(path: Path, file: BinaryIO) -> bool:
    """Whether the open file is the one at ``path``, not one that was removed meanwhile."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _parse(content: bytes) -> Process:
    try:
        words = json.loads(content)
        return Process(int(words["pid"]), str(words["birth"]))
    except (ValueError, TypeError, KeyError):
        return Process(0, "")
