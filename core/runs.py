"""Training that survives being killed: every few seconds its whole state lies in a folder, written in one piece.

runs/<id>/ holds spec.json, events.jsonl (an EpochLog a line), run-<r>.safetensors (the state after the last
finished epoch of run r), result-<r>.safetensors (its weights, once it is through), card.json (of the checkpoint it
became), failure.txt (why it ended otherwise) and lock, which the process that trains holds.
"""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from core.distributed import copy_bytes, is_first
from core.errors import LabError
from core.files import read_limited, remove_leftovers, write_atomically
from core.locks import hold
from core.records import CheckpointCard, EpochLog
from core.run_reader import CARD, EVENTS, FAILURE, SPEC, parse_logs
from core.trainers import Training
from core.training import fit, restore, snapshot
from core.types import MultiViewDataset

Tensors = dict[str, Tensor]


LARGEST_STATE = 2**32  # bytes of a file that is read
EMPTY = b"\0"  # stands for a file of no bytes, which is damaged, not absent
SAVE_SECONDS = 5.0  # the most work that a kill can cost, beside the unfinished epoch


@dataclass(frozen=True)
class RunFolder:
    """The folder of one training; the same training finds the same folder again.

    Among several processes the first reads and writes, and tells the others what it read.
    """

    path: Path
    save_seconds: float = SAVE_SECONDS  # between two writes of the state; 0 writes it after every epoch

    @contextmanager
    def claim(self, spec: dict[str, Any]) -> Iterator[None]:
        """Keep the folder for this process, say in it what is trained, and note what goes wrong meanwhile.

        Raises :class:`LabError` if another process trains in it.
        """
        if not is_first():
            yield
            return
        with hold(self.path):
            self._tidy()
            self._write(SPEC, json.dumps(spec, indent=1, sort_keys=True).encode() + b"\n")
            try:
                yield
            except Exception as error:
                with suppress(LabError):  # the disk may be what is wrong
                    self._write(FAILURE, (str(error) if isinstance(error, LabError) else _sentence(error)).encode())
                raise

    def _tidy(self) -> None:
        """Remove what an earlier process left; raises :class:`LabError` in a folder that is read-only."""
        try:
            for name in (FAILURE, CARD):
                (self.path / name).unlink(missing_ok=True)
        except OSError as error:
            raise LabError(f"Cannot write in {self.path}: {(error.strerror or str(error)).lower()}.") from error
        remove_leftovers(self.path)

    def publish(self, card: CheckpointCard) -> None:
        """Note which checkpoint the training became."""
        self._write(CARD, json.dumps(asdict(card), indent=1, sort_keys=True).encode() + b"\n")

    def train(
        self,
        make: Callable[[int], Training],
        data: MultiViewDataset,
        *,
        runs: int,
        capture: bool = False,
    ) -> Iterator[EpochLog]:
        """Train ``make(0)`` .. ``make(runs - 1)`` from wherever they stopped, each by ``fit``."""
        for run in range(runs):
            if not self._content(f"result-{run}.safetensors"):
                yield from self._train_one(make(run), data, run, runs, capture)

    def logs(self) -> list[EpochLog]:
        """Every finished epoch of every run, in order."""
        return list(parse_logs(self._content(EVENTS).decode("utf-8", "replace")))

    def losses(self) -> dict[int, float]:
        """The loss of each run in its last epoch."""
        return {log.run - 1: log.total for log in self.logs()}  # the last epoch of each run stays

    def best(self) -> int:
        """The run with the lowest loss; labels take no part."""
        losses = self.losses()
        return min(losses, key=losses.__getitem__)

    def result(self, run: int) -> Tensors:
        """The weights of a run that is through."""
        return self._unpack(self._content(f"result-{run}.safetensors"))[0]

    def _train_one(
        self, training: Training, data: MultiViewDataset, run: int, runs: int, capture: bool
    ) -> Iterator[EpochLog]:
        state_name = f"run-{run}.safetensors"
        done: list[EpochLog] = []
        if state := self._content(state_name):
            tensors, done = self._unpack(state)
            self._restore(training, tensors)
        earlier = [log for log in self.logs() if log.run <= run]
        saved = time.monotonic()
        epochs = fit(
            training.phases,
            data,
            batch_size=training.batch_size,
            generator=training.generator,
            earlier=tuple(done),
            capture=capture,
        )
        for log in epochs:
            per_epoch = log.seconds_left / max(log.epochs - log.epoch, 1) or log.seconds
            left = log.seconds_left + per_epoch * log.epochs * (runs - run - 1)
            log = replace(log, run=run + 1, runs=runs, seconds_left=left)
            done.append(log)
            self._write_events(earlier + done)
            late = time.monotonic() - saved >= self.save_seconds
            if late:
                self._write(state_name, _pack(snapshot(training.phases, training.generator), done))
                saved = time.monotonic()
            try:
                yield log
            except GeneratorExit:  # stopped between two epochs: nothing of them is lost
                if not late:
                    self._write(state_name, _pack(snapshot(training.phases, training.generator), done))
                raise
        training.finish(data.views)
        self._write_events(earlier + done)
        self._write(f"result-{run}.safetensors", _pack(training.result.state_dict(), done))
        if is_first():
            (self.path / state_name).unlink(missing_ok=True)

    def _restore(self, training: Training, tensors: Tensors) -> None:
        try:
            restore(training.phases, training.generator, tensors)
        except (RuntimeError, KeyError, ValueError) as error:
            raise LabError(
                f"The unfinished run in {self.path} belongs to another version. Delete it to start anew."
            ) from error

    def _content(self, name: str) -> bytes:
        """A file of the folder, empty if there is none."""
        path = self.path / name
        there = is_first() and path.is_file()
        return copy_bytes((read_limited(path, LARGEST_STATE) or EMPTY) if there else b"")

    def _write(self, name: str, content: bytes) -> None:
        if is_first():
            write_atomically(self.path / name, content)

    def _write_events(self, logs: list[EpochLog]) -> None:
        self._write(EVENTS, "".join(json.dumps(asdict(log)) + "\n" for log in logs).encode())

    def _unpack(self, content: bytes) -> tuple[Tensors, list[EpochLog]]:
        try:
            tensors = load(content)
            return tensors, [EpochLog(**values) for values in json.loads(_metadata(content)["logs"])]
        except (SafetensorError, ValueError, TypeError, KeyError) as error:
            raise LabError(f"The unfinished run in {self.path} is damaged. Delete it to start anew.") from error


def _sentence(error: Exception) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return f"The training failed: {lines[0][:200]}"


def _pack(tensors: Tensors, logs: list[EpochLog]) -> bytes:
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    return save(plain, metadata={"logs": json.dumps([asdict(log) for log in logs])})


def _metadata(content: bytes) -> dict[str, str]:
    """The words beside the tensors of valid safetensors: eight bytes of length, then JSON."""
    length = int.from_bytes(content[:8], "little")
    words: dict[str, str] = json.loads(content[8 : 8 + length])["__metadata__"]
    return words
