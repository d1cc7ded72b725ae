"""Many trainings, one after another or several at a time, until they are done or the time is over.

Everything that is done stays done: a walk that is stopped goes on where it was when it is started again.
"""

import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from queue import Queue
from threading import Event, Lock, Thread
from typing import Any

import torch

from core.errors import LabError
from core.records import EpochLog

Start = Callable[[Any], Generator[EpochLog, None, Any]]  # from a spec to its training, which returns its result


@dataclass(frozen=True, kw_only=True)
class Progress:
    """What happened to one training of a walk: an epoch was finished, it has its result, or it cannot be done."""

    spec: Any
    log: EpochLog | None = None
    result: Any = None
    problem: str = ""


def walk(
    start: Start,
    jobs: Sequence[Sequence[Any]],
    *,
    device: str,
    seconds: float | None = None,
    workers: int = 1,
) -> Generator[Progress, None, None]:
    """Do the jobs, each a sequence of specs, ``workers`` of them at a time in threads of this process.

    Closing the iterator, or the end of ``seconds``, stops every training after its epoch; nothing finished is lost.
    The rest of a job is left out where one of its specs cannot be done.
    """
    deadline = None if seconds is None else time.monotonic() + seconds
    under_way = _Walk(start, list(jobs), torch.device(device), deadline)
    n_threads = torch.get_num_threads()
    torch.set_num_threads(max(1, n_threads // workers))
    threads = [Thread(target=under_way.work, daemon=True) for _ in range(workers)]
    for thread in threads:
        thread.start()
    try:
        left = workers
        while left:
            item = under_way.events.get()
            if item is None:
                left -= 1
            elif isinstance(item, BaseException):
                raise item
            else:
                yield item
    finally:
        under_way.stopping.set()
        for thread in threads:
            thread.join()
        torch.set_num_threads(n_threads)


class _Walk:
    """Jobs to be taken by worker threads, and what they report."""

    def __init__(self, start: Start, jobs: list[Sequence[Any]], device: torch.device, deadline: float | None) -> None:
        self.events: Queue[Progress | BaseException | None] = Queue()
        self.stopping = Event()
        self._start = start
        self._jobs = jobs
        self._device = device
        self._lock = Lock()
        self._deadline = deadline

    def work(self) -> None:
        """Do jobs until there are none left or it is time to stop; an error of the program ends the walk."""
        try:
            with self._stream():
                while (job := self._next()) is not None:
                    for spec in job:
                        if not self._train(spec):
                            break
        except BaseException as error:  # raised again by the thread that reads
            self.events.put(error)
        self.events.put(None)

    def _stream(self) -> torch.cuda.StreamContext:
        """A stream of this thread's own, so that trainings overlap on a GPU; nothing elsewhere."""
        return torch.cuda.stream(torch.cuda.Stream(self._device) if self._device.type == "cuda" else None)

    def _next(self) -> Sequence[Any] | None:
        with self._lock:
            return self._jobs.pop(0) if self._jobs and not self._must_stop() else None

    def _train(self, spec: Any) -> bool:
        """Whether the training came to its end."""
        training = self._start(spec)
        try:
            while not self._must_stop():
                self.events.put(Progress(spec=spec, log=next(training)))
        except StopIteration as end:
            self.events.put(Progress(spec=spec, result=end.value))
            return True
        except LabError as error:
            self.events.put(Progress(spec=spec, problem=str(error)))
        finally:
            training.close()
        return False

    def _must_stop(self) -> bool:
        return self.stopping.is_set() or (self._deadline is not None and time.monotonic() > self._deadline)
