"""Long work in the background: one worker, a visible queue, equal work done once, cancelled within a step.

Work is an iterator that yields better and better results, as :meth:`core.lab.Lab.sweep` does. The newest is kept
and may be read at any moment. Cancelling closes the iterator between two of its yields.
"""

import logging
import os
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Literal

from core.errors import LabError

State = Literal["waiting", "running", "done", "failed", "cancelled"]

KEEP = 12  # ended jobs of each kind of work whose results stay readable
KEEP_BYTES = 5 << 27  # 640 MiB, the most that their results may weigh together
MOST_WAITING, MOST_OF_ONE = 200, 40  # jobs in line, of all owners and of one
REMEMBERED = 8  # ended jobs of a kind whose times, and work, tell how long the next one takes
ABSENCE = 150.0  # seconds without a sign of its owner after which a job is given up; a hidden tab gives one a minute
MESSAGE_LENGTH = 200
NICENESS = 5  # of the worker: who looks at a stored result waits little for who computes

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class JobView:
    """A job at one moment, as a page sees it."""

    key: str
    title: str
    state: State
    position: int  # how many jobs are before it: 0 while it runs
    progress: float  # share of the work that is done, 0 to 1
    seconds: float  # since it started
    seconds_left: float | None  # until it is done, from its progress; while it waits, until it begins, from others
    latest: Any  # the newest result, None before the first
    error: str  # a sentence, empty unless it failed

    @property
    def active(self) -> bool:
        """Whether it waits or runs."""
        return self.state in ("waiting", "running")


@dataclass(eq=False)
class _Job:
    key: str
    title: str
    noun: str
    start: Callable[[], Iterator[Any]]
    measure: Callable[[Any], float]
    weigh: Callable[[Any], int]
    owners: set[str]
    work: float = 1.0
    later: bool = False
    turn: int = 0  # how many jobs of its first owner waited before it
    state: State = "waiting"
    progress: float = 0.0
    latest: Any = None
    error: str = ""
    started: float = 0.0
    ended: float = 0.0
    stop: threading.Event = field(default_factory=threading.Event)

    @property
    def bytes(self) -> int:
        return 0 if self.latest is None else self.weigh(self.latest)


class JobQueue:
    """Runs one job at a time on a daemon thread, the owners in turn, work for later last.

    Safe to share by all sessions. A job stops when every owner has given it up, or has not been seen for ``absence``
    seconds: whoever closes the browser frees the place.
    """

    def __init__(self, *, keep: int = KEEP, keep_bytes: int = KEEP_BYTES, absence: float = ABSENCE) -> None:
        self._keep, self._keep_bytes, self._absence = keep, keep_bytes, absence
        self._seen: dict[str, float] = {}  # when each owner gave its last sign
        self._jobs: OrderedDict[str, _Job] = OrderedDict()  # oldest use first
        self._times: dict[str, deque[tuple[float, float]]] = {}  # of the last that were done, by noun: seconds, work
        self._waiting: deque[_Job] = deque()
        self._running: _Job | None = None
        self._changed = threading.Condition()
        self._worker: threading.Thread | None = None

    def submit(
        self,
        key: str,
        start: Callable[[], Iterator[Any]],
        *,
        owner: str,
        title: str,
        noun: str = "attack",
        progress: Callable[[Any], float] = lambda result: 0.0,
        weigh: Callable[[Any], int] = lambda result: 0,
        work: float = 1.0,
        later: bool = False,
    ) -> JobView:
        """Queue the work ``start()`` yields, or join the job of the same ``key`` that waits, runs or is done.

        ``progress`` reads the share of the work that is done off a result, ``weigh`` its bytes; ``noun`` names the work
        in a failure. ``work`` says how much it is beside other work of that noun, for those who wait. Work for
        ``later`` gives way to work that somebody waits for, until it is submitted without it.
        Raises :class:`LabError` where the line is full.
        """
        with self._changed:
            job = self._jobs.get(key)
            if job is None or job.state in ("failed", "cancelled"):
                self._check_room(owner)
                job = _Job(key, title, noun, start, progress, weigh, owners=set(), work=work, later=later)
                self._jobs[key] = job
                self._line_up(job, owner)
                self._ensure_worker()
            elif job.later and not later and job in self._waiting:
                self._waiting.remove(job)
                job.later = False
                self._line_up(job, owner)
            job.owners.add(owner)
            self._seen[owner] = time.monotonic()
            return self._view(job)

    def present(self, owner: str) -> None:
        """Say that an owner is still there."""
        with self._changed:
            self._seen[owner] = time.monotonic()

    def get(self, key: str) -> JobView | None:
        """The job of that key, unless it was never submitted or has been forgotten."""
        with self._changed:
            job = self._jobs.get(key)
            if job is not None:
                self._jobs.move_to_end(key)
            return None if job is None else self._view(job)

    def active(self) -> tuple[JobView, ...]:
        """The running job, then the waiting ones in order."""
        with self._changed:
            running = [] if self._running is None or self._running.stop.is_set() else [self._running]
            return tuple(self._view(job) for job in [*running, *self._waiting])

    def owns(self, key: str, owner: str) -> bool:
        """Whether ``owner`` has asked for that job."""
        with self._changed:
            return key in self._jobs and owner in self._jobs[key].owners

    def cancel(self, key: str, *, owner: str) -> None:
        """Give the job up for ``owner``; it stops when nobody else wants it. What it yielded stays readable."""
        with self._changed:
            job = self._jobs.get(key)
            if job is None or job.state not in ("waiting", "running"):
                return
            job.owners.discard(owner)
            if not job.owners:
                self._give_up(job)

    def join(self, timeout: float) -> bool:
        """Wait until nothing runs or waits; whether that happened within ``timeout`` seconds."""
        with self._changed:
            return self._changed.wait_for(lambda: self._running is None and not self._waiting, timeout)

    def _give_up(self, job: _Job) -> None:
        if job in self._waiting:
            self._waiting.remove(job)
        job.stop.set()
        self._end(job, "cancelled")

    def _leave_absent(self) -> None:
        """Give up what nobody waits for any more."""
        limit = time.monotonic() - self._absence
        gone = {owner for owner, moment in self._seen.items() if moment < limit}
        for owner in gone:
            del self._seen[owner]
        for job in [*self._waiting, *([] if self._running is None else [self._running])]:
            job.owners -= gone
            if not job.owners and not job.stop.is_set():
                self._give_up(job)

    def _check_room(self, owner: str) -> None:
        self._leave_absent()
        if sum(owner in job.owners for job in self._waiting) >= MOST_OF_ONE:
            raise LabError(
                f"{MOST_OF_ONE} of your jobs wait already: cancel some, or start this one when they are through."
            )
        if len(self._waiting) >= MOST_WAITING:
            raise LabError(f"{MOST_WAITING} jobs wait already: start this one when some of them are through.")

    def _line_up(self, job: _Job, owner: str) -> None:
        """Put a job behind those of equal urgency, and behind no more jobs of any other owner than of its own."""
        own = [other.turn for other in self._waiting if other.later == job.later and owner in other.owners]
        job.turn = max(own, default=-1) + 1
        place = (job.later, job.turn)
        behind = [i for i, other in enumerate(self._waiting) if (other.later, other.turn) > place]
        self._waiting.insert(behind[0] if behind else len(self._waiting), job)

    def _ensure_worker(self) -> None:
        if self._worker is None or not self._worker.is_alive():
            self._worker = threading.Thread(target=self._work, name="lab-jobs", daemon=True)
            self._worker.start()

    def _work(self) -> None:
        """Every job in line, one after the other; an idle queue keeps no thread, and nothing that a job has held."""
        _give_way()
        while (job := self._next()) is not None:
            self._run(job)

    def _next(self) -> _Job | None:
        with self._changed:
            self._running = None
            self._leave_absent()
            if self._waiting:
                self._running = self._waiting.popleft()
                self._running.state, self._running.started = "running", time.monotonic()
            else:
                self._worker = None
            self._changed.notify_all()
            return self._running

    def _run(self, job: _Job) -> None:
        results: Iterator[Any] = iter(())
        try:
            results = job.start()
            for result in results:
                with self._changed:
                    self._leave_absent()
                    if job.stop.is_set():
                        break
                    job.latest, job.progress = result, job.measure(result)
            self._finish(job, "done")
        except LabError as error:
            self._finish(job, "failed", str(error))
        except Exception as error:
            log.exception("The %s failed: %s", job.noun, job.title)
            self._finish(job, "failed", f"The {job.noun} failed: {_first_line(error)}")
        finally:
            close = getattr(results, "close", None)
            if close is not None:
                close()

    def _finish(self, job: _Job, state: State, error: str = "") -> None:
        with self._changed:
            if not job.stop.is_set():  # a cancelled job has ended already
                job.error = error
                self._end(job, state)

    def _end(self, job: _Job, state: State) -> None:
        job.state, job.ended = state, time.monotonic()
        if state == "done":
            self._times.setdefault(job.noun, deque(maxlen=REMEMBERED)).append((job.ended - job.started, job.work))
        ended = [other for other in self._jobs.values() if other.state not in ("waiting", "running")]
        alike = [other for other in ended if other.noun == job.noun]
        for other in alike[: max(0, len(alike) - self._keep)]:
            self._forget(other, ended)
        while len(ended) > 1 and sum(other.bytes for other in ended) > self._keep_bytes:
            self._forget(ended[0], ended)

    def _forget(self, job: _Job, ended: list[_Job]) -> None:
        ended.remove(job)
        del self._jobs[job.key]

    def _view(self, job: _Job) -> JobView:
        seconds = (job.ended or time.monotonic()) - job.started if job.started else 0.0
        share = job.progress
        return JobView(
            key=job.key,
            title=job.title,
            state=job.state,
            position=self._position(job),
            progress=share,
            seconds=seconds,
            seconds_left=self._seconds_before(job) if job in self._waiting else _seconds_left(job),
            latest=job.latest,
            error=job.error,
        )

    def _seconds_before(self, job: _Job) -> float | None:
        """How long the jobs before a waiting one will take, None where too little is known."""
        before: list[float | None] = [] if self._running is None else [_seconds_left(self._running)]
        if before == [None] and self._running is not None:
            before = [self._usual_seconds(self._running)]
        for other in self._waiting:
            if other is job:
                break
            before.append(self._usual_seconds(other))
        known = [seconds for seconds in before if seconds is not None]
        return sum(known) if len(known) == len(before) else None

    def _usual_seconds(self, job: _Job) -> float | None:
        """As long as the last of its kind took for each piece of work."""
        times = self._times.get(job.noun)
        return job.work * sum(seconds for seconds, _ in times) / sum(work for _, work in times) if times else None

    def _position(self, job: _Job) -> int:
        if job not in self._waiting:
            return 0
        return self._waiting.index(job) + (self._running is not None)


def _give_way() -> None:
    """Let the threads that draw pages go before this one, where the system knows of such wishes (Linux)."""
    with suppress(AttributeError, OSError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)


def _seconds_left(job: _Job) -> float | None:
    """How long a running job still takes, as fast as it was so far; None before its first progress."""
    if job.state != "running" or job.progress <= 0:
        return None
    return (time.monotonic() - job.started) / job.progress * (1 - job.progress)


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    text = lines[0][:MESSAGE_LENGTH] if lines else type(error).__name__
    return text if text.endswith(".") else f"{text}."
