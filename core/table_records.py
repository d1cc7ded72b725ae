"""What a table of the paper with ours beside it consists of: cells, and what is known of each number."""

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import fmean, stdev

from core.records import CheckpointCard, Scores, SweepSpec
from core.studies.records import Scale, TrialRecord

BEFORE, AFTER = "clean", "gan"
CONTROLS = ("noise", "untrained_generator", "pgd", "ensemble")  # beside every "after"; the last two are other attacks
METRICS = {"accuracy": "ACC", "nmi": "NMI", "ari": "ARI"}


@dataclass(frozen=True, kw_only=True)
class Result:
    """Scores of ours, and all that they depend on beside the checkpoint."""

    state: str  # "clean", or the attack
    frozen: Scores
    rematched: Scores  # the accuracy is NaN where a card does not have it
    epsilon: float
    samples: int  # of the held-out part
    seed: int  # of the samples and of the attack's randomness; a trial's of everything
    spec: SweepSpec | None  # the sweep it is from; None for a card's or a trial's
    trial: TrialRecord | None = None  # the trial it is from

    def value(self, metric: str, matching: str) -> float:
        """A metric of METRICS with the matching "frozen" or "rematched"."""
        return float(getattr(self.frozen if matching == "frozen" else self.rematched, metric))


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column of numbers: a data set in one state, or a model of Table 2 in one state."""

    key: str
    dataset: str  # empty in Table 2
    title: str  # of the data set, in Table 2 of the model
    state: str
    epsilon: float
    half: int = 0  # samples in the training half of the data set
    stands_for: str = ""  # title of the paper's data set, where this is another one

    @property
    def control(self) -> bool:
        """Whether the paper has no such numbers."""
        return self.state in CONTROLS

    def is_small(self, card: CheckpointCard | None) -> bool:
        """Whether the checkpoint was trained on less than the training half."""
        return card is not None and card.samples < self.half


@dataclass(frozen=True, kw_only=True)
class Cell:
    """What there is to know of one number."""

    results: tuple[Result, ...] = ()  # ours, one for each seed that was trained to the end, the checkpoint's first
    paper: Scores | None = None  # NaN for a metric that is not printed
    card: CheckpointCard | None = None
    attacker: CheckpointCard | None = None
    missing: str = ""  # why there is none of ours
    remedy: str = ""  # the command that makes what it needs
    sweeps: tuple[SweepSpec, ...] = ()  # that show it, the most telling first
    run: SweepSpec | None = None  # the quickest of them, to be run where none has been
    scale: Scale = "full"  # of our training, under attack of the attacker's too

    @property
    def small(self) -> bool:
        """Whether ours, or the attacker behind a number of it, had less than its recipe says."""
        if self.scale == "model":
            trial = self.ours.trial if self.ours is not None and self.ours.state == AFTER else None
            return trial is not None and trial.spec.attacker_epochs is not None
        return self.scale != "full"

    @property
    def ours(self) -> Result | None:
        """The first of ours."""
        return self.results[0] if self.results else None

    def mean(self, metric: str, matching: str) -> float:
        """The mean over seeds; NaN without a number."""
        values = self.values(metric, matching)
        return fmean(values) if values else float("nan")

    def deviation(self, metric: str, matching: str) -> float | None:
        """The standard deviation over seeds, None of fewer than two."""
        values = self.values(metric, matching)
        return stdev(values) if len(values) > 1 else None

    def values(self, metric: str, matching: str) -> list[float]:
        """Each seed's."""
        return [result.value(metric, matching) for result in self.results]


@dataclass(frozen=True, kw_only=True)
class ResultTable:
    """A table of the paper, ours beside it."""

    name: str
    protocol: str
    rows: tuple[str, ...]
    columns: tuple[Column, ...]
    cells: Mapping[tuple[str, str], Cell]  # by row and key of a column
    metrics: tuple[str, ...]  # names in METRICS

    def column(self, dataset: str, state: str) -> Column:
        """The column of a data set in a state; it must be there."""
        return next(column for column in self.columns if (column.dataset, column.state) == (dataset, state))
