"""Trainings as processes of their own: started, watched, stopped, gone on with and removed by way of run folders.

A training that was started here goes on when the server ends, and is found again by the next one. As many run at
once as the device bears, those that a terminal started counted in; the others wait in line, in memory only.
"""

import hmac
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from core.errors import LabError
from core.files import write_atomically
from core.locks import hold, process
from core.run_reader import FAILURE, PROCESS, REPLACE, SPEC, read_run, run_names, running
from core.training_records import RunRecord, RunState, TrainingPlan

PROJECT = Path(__file__).resolve().parent.parent
LOG = "log.txt"  # what the process said
MOST_WAITING = 8
TICK = 0.2  # seconds between two looks at the processes
GRACE = 10.0  # seconds between asking a process to end and ending it
NICENESS = 10  # so that the pages stay quick
STOPPED = (130, 143, -signal.SIGINT, -signal.SIGTERM)  # exit codes of a training that was asked to end
SWITCH = "LAB_TRAINING"
ON = ("", "on", "1", "yes", "true")
OFF = (
    f"Training from the browser is switched off on this server ({SWITCH}=off). The command below does it in a terminal."
)

PASSWORD, SHORTEST = "LAB_TRAINING_PASSWORD", 8  # the variable; characters
TOO_SHORT = (
    f"{PASSWORD} on this server is shorter than {SHORTEST} characters, so trainings stay locked: set a longer one."
)
PAUSE = 1.0  # seconds after a wrong password in which none is tried

if sys.platform == "win32":
    FLAGS = subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.BELOW_NORMAL_PRIORITY_CLASS
else:
    FLAGS = 0

Command = Callable[[TrainingPlan], Sequence[str]]
_TRYING = threading.Lock()


def command_line(plan: TrainingPlan) -> list[str]:
    """The process that does what the plan's command says, wherever it is started."""
    return [sys.executable, "-P", *plan.command.split()[1:], "--quiet"]


def training_allowed() -> bool:
    """Whether pages may start and stop trainings: not where LAB_TRAINING is off, or any word that is not on."""
    return os.environ.get(SWITCH, "").strip().lower() in ON


def password_needed() -> bool:
    """Whether pages start and stop trainings only for those who know LAB_TRAINING_PASSWORD; empty, nobody does."""
    return PASSWORD in os.environ


def check_password(text: str) -> None:
    """Raise :class:`LabError` for anything but the password.

    A wrong one takes a second, and meanwhile none is tried, right or wrong: many sessions guess no faster than one.
    """
    password = os.environ.get(PASSWORD, "")
    if len(password) < SHORTEST:
        raise LabError(TOO_SHORT)
    if not _TRYING.acquire(blocking=False):
        raise LabError("Somebody tries a password at this moment: try again in a second.")
    try:
        if not hmac.compare_digest(text.encode("utf-8", "replace"), password.encode("utf-8", "replace")):
            time.sleep(PAUSE)
            raise LabError("That is not the password.")
    finally:
        _TRYING.release()


@dataclass
class _Child:
    process: subprocess.Popen[bytes]
    told: float = 0.0  # when it was asked to end


class Trainings:
    """The runs in a folder, and the line of those that are to be started. Safe to share by all sessions."""

    def __init__(self, folder: Path, *, at_once: int = 1, command: Command | None = None) -> None:
        self._folder = folder
        self._at_once = at_once
        self._command = command or command_line
        self._waiting: list[TrainingPlan] = []
        self._children: dict[str, _Child] = {}
        self._changed = threading.RLock()
        self._tending: threading.Thread | None = None

    def runs(self) -> tuple[RunRecord, ...]:
        """Every run that can be read, newest start first."""
        with self._changed:
            records = (self.run(name) for name in run_names(self._folder))
            return tuple(record for record in records if record is not None)

    def run(self, name: str) -> RunRecord | None:
        """One run, None if there is none that can be read."""
        record = read_run(self._path(name))
        if record is None:
            return None
        with self._changed:
            child, names = self._children.get(name), [plan.run for plan in self._waiting]
            state: RunState = record.state
            if child is not None and child.told:
                state = "stopping"
            elif name in names:
                return replace(record, state="waiting", position=names.index(name) + self._at_work(), error="")
            elif child is not None or state == "running":
                state = "running" if record.logs or record.trials else "starting"
        return replace(record, state=state, error="" if state != "failed" else record.error)

    def busy(self) -> bool:
        """Whether anything waits or runs."""
        with self._changed:
            if self._waiting or self._children:
                return True
        return any(running(self._path(name)) for name in run_names(self._folder))

    def submit(self, plan: TrainingPlan) -> None:
        """Start a training, or go on with it; it waits in line while others run.

        Raises :class:`LabError` where training is off, the data cannot be had, it runs already or the line is full.
        """
        _check_allowed()
        if not plan.possible:
            raise LabError(plan.data)
        with self._changed:
            waits = plan.run in [other.run for other in self._waiting]
            if waits or plan.run in self._children or running(self._path(plan.run)):
                raise LabError("This training waits or runs already; it is in the list of runs.")
            if len(self._waiting) >= MOST_WAITING:
                raise LabError(f"{MOST_WAITING} trainings wait already. Start this one when some of them are through.")
            words = {**asdict(plan.spec), REPLACE: plan.replace}
            known = read_run(self._path(plan.run))
            if known is not None:
                words["recipe"] = known.recipe
            write_atomically(self._path(plan.run) / SPEC, json.dumps(words, indent=1, sort_keys=True).encode() + b"\n")
            (self._path(plan.run) / FAILURE).unlink(missing_ok=True)
            self._waiting.append(plan)
            self._start_next()
            self._tend()

    def stop(self, name: str) -> None:
        """Take a training out of the line, or ask its process to end: it can go on later."""
        _check_allowed()
        with self._changed:
            self._waiting = [plan for plan in self._waiting if plan.run != name]
            child = self._children.get(name)
            if child is not None:
                child.told = child.told or time.monotonic()
                child.process.terminate()
                return
        at_work = running(self._path(name))
        if at_work is None:
            return
        if at_work.pid == os.getpid() or not (at_work.alive or _tells_no_births()):
            raise LabError("This training was started elsewhere; stop it there.")
        with suppress(ProcessLookupError):
            os.kill(at_work.pid, signal.SIGTERM)

    def remove(self, name: str) -> None:
        """Delete a run's folder; the checkpoint it became stays. Raises :class:`LabError` while it waits or runs."""
        _check_allowed()
        path = self._path(name)
        with self._changed:
            record = self.run(name)
            if record is None:
                return
            if record.active:
                raise LabError("This training waits or runs. Stop it before you remove it.")
            with hold(path):
                for item in path.iterdir():
                    if item.is_dir() and not item.is_symlink():
                        shutil.rmtree(item, ignore_errors=True)
                    elif item.name != "lock":
                        item.unlink(missing_ok=True)
            shutil.rmtree(path, ignore_errors=True)

    def join(self, timeout: float) -> bool:
        """Wait until nothing that was started here waits or runs; whether that happened within ``timeout`` seconds."""
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            with self._changed:
                if not self._waiting and not self._children:
                    return True
            time.sleep(TICK / 2)
        return False

    def _path(self, name: str) -> Path:
        """The folder of a run. Raises :class:`LabError` for a name that leads elsewhere."""
        if not name or name in (".", "..") or Path(name).name != name or (self._folder / name).is_symlink():
            raise LabError(f"There is no run called {name!r}.")
        return self._folder / name

    def _at_work(self) -> int:
        """How many trainings run, wherever they were started."""
        names = {*self._children, *(name for name in run_names(self._folder) if running(self._folder / name))}
        return len(names)

    def _start_next(self) -> None:
        while self._waiting and self._at_work() < self._at_once:
            plan = self._waiting.pop(0)
            try:
                self._children[plan.run] = _Child(self._start(plan))
            except OSError as error:  # a full disk too
                _note(self._path(plan.run), f"The training could not be started: {(error.strerror or error)}.")

    def _start(self, plan: TrainingPlan) -> "subprocess.Popen[bytes]":
        path = self._path(plan.run)
        environment = os.environ | {
            "LAB_RUNS": str(self._folder.resolve()),
            "PYTHONPATH": os.pathsep.join(filter(None, (str(PROJECT), os.environ.get("PYTHONPATH", "")))),
            "PYTHONUNBUFFERED": "1",
        }
        (path / LOG).unlink(missing_ok=True)  # should it be a link, what it leads to stays
        with (path / LOG).open("wb") as log:
            child = subprocess.Popen(
                self._command(plan),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment,
                start_new_session=True,  # outlives this process, and Ctrl-C in its terminal
                creationflags=FLAGS,
            )
        if sys.platform != "win32":
            with suppress(OSError):  # a wish only
                os.setpriority(os.PRIO_PROCESS, child.pid, NICENESS)
        with suppress(LabError):  # only until the process has the lock is it missed
            write_atomically(path / PROCESS, json.dumps(asdict(process(child.pid))).encode())
        return child

    def _tend(self) -> None:
        if self._tending is None or not self._tending.is_alive():
            self._tending = threading.Thread(target=self._tend_to_the_end, name="lab-trainings", daemon=True)
            self._tending.start()

    def _tend_to_the_end(self) -> None:
        while True:
            with self._changed:
                for name, child in list(self._children.items()):
                    if child.process.poll() is not None:
                        del self._children[name]
                        self._note_end(name, child)
                    elif child.told and time.monotonic() - child.told > GRACE:
                        child.process.kill()
                self._start_next()
                if not self._waiting and not self._children:
                    self._tending = None
                    return
            time.sleep(TICK)

    def _note_end(self, name: str, child: _Child) -> None:
        """Leave a sentence in the folder where the process could not."""
        path = self._path(name)
        code = child.process.returncode
        with suppress(OSError):  # a folder that became read-only
            (path / PROCESS).unlink(missing_ok=True)
        if code == 0 or code in STOPPED or child.told or not path.is_dir() or (path / FAILURE).is_file():
            return
        _note(path, _reason(code, path / LOG))


def _note(path: Path, reason: str) -> None:
    with suppress(LabError):  # the disk may be what is wrong
        write_atomically(path / FAILURE, reason.encode())


def _reason(code: int, log: Path) -> str:
    if code in (-9, 137):
        return "The system ended the training, most likely because memory ran out. Resume goes on from where it was."
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    except OSError:
        lines = []
    last = lines[-1][:300] if lines else f"its process ended with code {code}"
    return last if code == 2 else f"The training failed: {last}"


def _tells_no_births() -> bool:
    """Whether this system cannot tell a process from a later one of the same number."""
    return not process(os.getpid()).birth


def _check_allowed() -> None:
    if not training_allowed():
        raise LabError(OFF)
