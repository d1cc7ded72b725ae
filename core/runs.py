"""Training that survives being killed: after every epoch its whole state lies in a folder, written in one piece.

runs/<id>/ holds spec.json, events.jsonl (an EpochLog a line), run-<r>.safetensors (the state after the last
finished epoch of run r) and result-<r>.safetensors (its weights, once it is through).
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from core.errors import LabError
from core.files import write_atomically
from core.records import EpochLog
from core.trainers import Training
from core.training import fit, restore, snapshot
from core.types import MultiViewDataset

Tensors = dict[str, Tensor]


@dataclass(frozen=True)
class RunFolder:
    """The folder of one training; the same training finds the same folder again."""

    path: Path

    def train(
        self, make: Callable[[int], Training], data: MultiViewDataset, *, runs: int, spec: dict[str, Any]
    ) -> Iterator[EpochLog]:
        """Train ``make(0)`` .. ``make(runs - 1)`` from wherever they stopped; every yielded epoch is on disk."""
        write_atomically(self.path / "spec.json", json.dumps(spec, indent=1, sort_keys=True).encode() + b"\n")
        for run in range(runs):
            if not self._result_path(run).is_file():
                yield from self._train_one(make(run), data, run, runs)

    def logs(self) -> list[EpochLog]:
        """Every finished epoch of every run, in order."""
        path = self.path / "events.jsonl"
        if not path.is_file():
            return []
        return [EpochLog(**json.loads(line)) for line in path.read_text().splitlines()]

    def best(self, runs: int) -> tuple[int, Tensors]:
        """The run with the lowest loss in its last epoch, and its weights; labels take no part."""
        totals = {log.run: log.total for log in self.logs()}  # the last epoch of each run stays
        best = min(range(runs), key=lambda run: totals[run + 1])
        return best, _read(self._result_path(best))[0]

    def _train_one(self, training: Training, data: MultiViewDataset, run: int, runs: int) -> Iterator[EpochLog]:
        state_path = self.path / f"run-{run}.safetensors"
        done: list[EpochLog] = []
        if state_path.is_file():
            tensors, done = _read(state_path)
            self._restore(training, tensors)
        earlier = [log for log in self.logs() if log.run <= run]
        epochs = fit(
            training.phases,
            data,
            batch_size=training.batch_size,
            generator=training.generator,
            completed=len(done),
        )
        for log in epochs:
            per_epoch = log.seconds_left / max(log.epochs - log.epoch, 1) or log.seconds
            left = log.seconds_left + per_epoch * log.epochs * (runs - run - 1)
            log = replace(log, run=run + 1, runs=runs, seconds_left=left)
            done.append(log)
            write_atomically(state_path, _write(snapshot(training.phases, training.generator), done))
            self._write_events(earlier + done)
            yield log
        self._write_events(earlier + done)
        write_atomically(self._result_path(run), _write(training.result.state_dict(), done))
        state_path.unlink(missing_ok=True)

    def _restore(self, training: Training, tensors: Tensors) -> None:
        try:
            restore(training.phases, training.generator, tensors)
        except (RuntimeError, KeyError, ValueError) as error:
            raise LabError(
                f"The unfinished run in {self.path} belongs to another version. Delete it to start anew."
            ) from error

    def _result_path(self, run: int) -> Path:
        return self.path / f"result-{run}.safetensors"

    def _write_events(self, logs: list[EpochLog]) -> None:
        write_atomically(self.path / "events.jsonl", "".join(json.dumps(asdict(log)) + "\n" for log in logs).encode())


def _write(tensors: Tensors, logs: list[EpochLog]) -> bytes:
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    return save(plain, metadata={"logs": json.dumps([asdict(log) for log in logs])})


def _read(path: Path) -> tuple[Tensors, list[EpochLog]]:
    try:
        with safe_open(path, framework="pt") as file:
            logs = [EpochLog(**values) for values in json.loads(file.metadata()["logs"])]
            return {name: file.get_tensor(name) for name in file.keys()}, logs  # noqa: SIM118
    except (SafetensorError, OSError, ValueError, TypeError, KeyError) as error:
        raise LabError(f"The unfinished run in {path.parent} is damaged. Delete it to start anew.") from error
