"""The matrix of checkpoints: which of models x data sets x protocols are missing, and training them one after another.

Everything that is done stays done: a walk that is stopped goes on where it was when it is started again.
"""

import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from queue import Queue
from threading import Event, Lock, Thread

import torch

from core.errors import LabError
from core.lab import Lab
from core.recipes import models_of
from core.recipes.alrdc import HARDENED
from core.recipes.alrdc import MODELS as LATENT_MODELS
from core.records import CheckpointCard, EpochLog, TrainSpec


@dataclass(frozen=True, kw_only=True)
class Progress:
    """What happened to one training of a walk: an epoch was finished, it was published, or it cannot be done."""

    spec: TrainSpec
    log: EpochLog | None = None
    card: CheckpointCard | None = None
    problem: str = ""


def missing(lab: Lab, datasets: Sequence[str], base: TrainSpec, models: Sequence[str] = ()) -> list[list[TrainSpec]]:
    """What is not there yet, a list for each model: the model, its attacker, or both in that order.

    ``base`` says everything but data set, model and kind. An attacker of other weights than the model's is missing.
    A model that goes on from another's checkpoint and attacker stands in that one's list, behind them.
    """
    jobs: dict[tuple[str, str], list[TrainSpec]] = {}
    cards = {(card.dataset, card.name): card for card in lab.cards("model")}
    for dataset in datasets:
        for model in models or models_of(dataset):
            spec = replace(base, dataset=dataset, model=model, kind="model", epsilon=None)
            card = cards.get((dataset, spec.name))
            job = jobs.setdefault((dataset, HARDENED.get(model, model)), [])
            kind = "latent" if model in LATENT_MODELS else "attacker"
            if card is None:
                job.append(spec)
            if card is None or lab.library.against(card, kind) is None:
                attacker = replace(base, dataset=dataset, model=spec.name, kind=kind, runs=None, latent=None)
                job.append(attacker)
    return [job for job in jobs.values() if job]


def train_all(
    lab: Lab,
    jobs: Sequence[Sequence[TrainSpec]],
    *,
    seconds: float | None = None,
    workers: int = 1,
    capture: bool = False,
) -> Generator[Progress, None, None]:
    """Do the jobs, ``workers`` of them at a time in threads of this process, until ``seconds`` are over.

    Closing the iterator, or the end of the time, stops every training after its epoch; nothing finished is lost.
    """
    deadline = None if seconds is None else time.monotonic() + seconds
    walk = _Walk(lab, list(jobs), deadline, capture)
    n_threads = torch.get_num_threads()
    torch.set_num_threads(max(1, n_threads // workers))
    threads = [Thread(target=walk.work, daemon=True) for _ in range(workers)]
    for thread in threads:
        thread.start()
    try:
        left = workers
        while left:
            item = walk.events.get()
            if item is None:
                left -= 1
            elif isinstance(item, BaseException):
                raise item
            else:
                yield item
    finally:
        walk.stopping.set()
        for thread in threads:
            thread.join()
        torch.set_num_threads(n_threads)


class _Walk:
    """Jobs to be taken by worker threads, and what they report."""

    def __init__(self, lab: Lab, jobs: list[Sequence[TrainSpec]], deadline: float | None, capture: bool) -> None:
        self.events: Queue[Progress | BaseException | None] = Queue()
        self.stopping = Event()
        self._lab = lab
        self._jobs = jobs
        self._lock = Lock()
        self._deadline = deadline
        self._capture = capture

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
        on_gpu = self._lab.library.device.type == "cuda"
        return torch.cuda.stream(torch.cuda.Stream(self._lab.library.device) if on_gpu else None)

    def _next(self) -> Sequence[TrainSpec] | None:
        with self._lock:
            return self._jobs.pop(0) if self._jobs and not self._must_stop() else None

    def _train(self, spec: TrainSpec) -> bool:
        """Whether the training came to its end."""
        training = self._lab.train(spec, capture=self._capture)
        try:
            while not self._must_stop():
                self.events.put(Progress(spec=spec, log=next(training)))
        except StopIteration as end:
            self.events.put(Progress(spec=spec, card=end.value))
            return True
        except LabError as error:
            self.events.put(Progress(spec=spec, problem=str(error)))
        finally:
            training.close()
        return False

    def _must_stop(self) -> bool:
        return self.stopping.is_set() or (self._deadline is not None and time.monotonic() > self._deadline)
