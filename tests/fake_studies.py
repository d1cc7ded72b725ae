"""Studies without models for tests of pages: what a test puts in, and nothing else."""

import time
from collections.abc import Generator

from core.errors import LabError
from core.records import AttackScores, EpochLog, Scores
from core.studies.records import (
    EpochScores,
    Provenance,
    TransferRecord,
    TransferSpec,
    TrialRecord,
    TrialSpec,
)

SOURCE = Provenance(
    data_sha256="d" * 64,
    training_samples=449,
    scored_samples=256,
    chosen_seed=0,
    device="cpu",
    torch="2.15",
    commit="abc",
    created="2026-01-01T00:00:00+00:00",
    seconds=60.0,
)


def record(spec: TrialSpec, accuracy: float) -> TrialRecord:
    """A trial with that accuracy in every state."""
    scores = Scores(accuracy, accuracy, accuracy)
    row = AttackScores(frozen=scores, rematched=scores, changed=0.0, recall=(), l2=(0.0, 0.0), linf=(0.0, 0.0))
    states = {state: (row,) * len(spec.epsilons) for state in spec.states}
    epochs = ()
    if spec.by_epoch:
        values = dict.fromkeys(("clean", *spec.states), scores)
        epochs = tuple(
            EpochScores(epoch=epoch, phase="warm-up" if epoch < 3 else "late", scores=values) for epoch in range(1, 6)
        )
    return TrialRecord(spec=spec, clean=row, states=states, epochs=epochs, provenance=SOURCE)


class FakeStudies:
    """Knows what it was given, or made itself."""

    def __init__(self) -> None:
        self.accuracy: float | None = None  # of trials that nobody made; None for no such trials
        self.trials: dict[TrialSpec, TrialRecord] = {}
        self.transfers: dict[TransferSpec, TransferRecord] = {}
        self.begun, self.pace = 0, 0.0
        self.broken: TrialSpec | None = None

    def kept_trial(self, spec: TrialSpec) -> TrialRecord | None:
        return self.trials.get(spec) or (None if self.accuracy is None else record(spec, self.accuracy))

    def trial(
        self, spec: TrialSpec, *, ship: bool = False, capture: bool = False
    ) -> Generator[EpochLog, None, TrialRecord]:
        self.begun += 1
        for epoch in (1, 2):
            time.sleep(self.pace)
            yield EpochLog(phase="training", epoch=epoch, epochs=2, terms={}, seconds=self.pace, seconds_left=0.0)
        if spec == self.broken:
            raise LabError("The disk is full.")
        self.trials[spec] = record(spec, 0.5)
        return self.trials[spec]

    def kept_transfer(self, spec: TransferSpec) -> TransferRecord | None:
        return self.transfers.get(spec)

    def transfer(self, spec: TransferSpec, *, ship: bool = False) -> Generator[float, None, None]:
        yield 1.0
        one = ("cl_mvc",)
        self.transfers[spec] = TransferRecord(
            spec=spec, attackers=one, targets=one, clean={"cl_mvc": 1.0}, accuracy={("cl_mvc", "cl_mvc"): 0.1}
        )
