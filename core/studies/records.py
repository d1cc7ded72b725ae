"""What a study consists of: trials and transfers, as specs and as records of plain values."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import Any, Literal

from core.errors import LabError
from core.records import AttackScores, Scores, TrainSpec, check_epsilon, digest

# Of a trial: the recipe's; for processors the model's whole training with a shorter one of its attacker, a part of
# real data with the recipe's epochs, and with fewer.
Scale = Literal["full", "model", "long", "small"]

ATTACKERS_OWN = ("complementarity_weight", "consistency_weight")  # of a change, what the model does not see
STATES = ("noise", "untrained_generator", "pgd", "pgd_assignment", "gan")  # under attack; "clean" is always there


@dataclass(frozen=True, kw_only=True)
class Change:
    """Where a training differs from its recipe. What is None is the recipe's."""

    adversarial_weight: float | None = None  # λ of Eq. 14
    mitigation_weight: float | None = None  # γ of Eq. 14
    inner_epsilon: float | None = None  # of the last stage of adversarial training, earlier ones in proportion
    complementarity_weight: float | None = None  # μ1 of Eq. 6, the attacker's
    consistency_weight: float | None = None  # μ2 of Eq. 6, the attacker's

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if value is not None and not 0 <= value < float("inf"):
                raise LabError(f"The {name.replace('_', ' ')} must be a finite number of at least 0, got {value}.")


@dataclass(frozen=True, kw_only=True)
class TrialSpec:
    """A model trained from nothing and scored under attack, completely. No checkpoint comes of it."""

    train: TrainSpec  # kind "model"
    epsilons: tuple[float, ...]  # of the attacks, each scored; the attacker is trained at its recipe's
    change: Change = Change()
    classes: tuple[int, ...] = ()  # that it is trained on, counted from 0 then; () for all
    scored_on: str = ""  # the data set that it is attacked on; "" for the one it was trained on
    scored_classes: tuple[int, ...] = ()
    states: tuple[str, ...] = STATES
    attacker_epochs: int | None = None  # None for the recipe's
    scored_samples: int = 1000  # of the held-out part, from its start
    by_epoch: bool = False  # scored after every epoch too, without the attacker

    def __post_init__(self) -> None:
        if self.train.kind != "model":
            raise LabError("A trial trains a model; its attacker belongs to it.")
        if not self.epsilons:
            raise LabError("A trial needs at least one ε to be scored at.")
        for epsilon in self.epsilons:
            check_epsilon(epsilon, "linf")
        if wrong := [state for state in self.states if state not in STATES]:
            raise LabError(f"There is no state {wrong[0]!r}. Choose among {', '.join(STATES)}.")
        if self.scored_samples < 2:
            raise LabError(f"Scores need at least 2 samples, got {self.scored_samples}.")
        if self.by_epoch and self.train.runs != 1:
            raise LabError("Scores by epoch are of one run: give the trial's training runs=1.")

    @property
    def dataset(self) -> str:
        """The data set that it is attacked on."""
        return self.scored_on or self.train.dataset

    @property
    def training_digest(self) -> str:
        """SHA-256 (hex) of what decides the model's training, so that trials which differ elsewhere share it."""
        change = {name: value for name, value in plain(self.change).items() if name not in ATTACKERS_OWN}
        own = {"train": plain(self.train), "classes": list(self.classes), "change": change}
        return digest(own | ({"by epoch": plain(self)} if self.by_epoch else {}))


@dataclass(frozen=True, kw_only=True)
class EpochScores:
    """A model in training: after an epoch, on held-out samples, frozen matching."""

    epoch: int
    phase: str
    scores: dict[str, Scores]  # by state, at the trial's largest ε; "clean" among them


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """Where a number comes from, beside what its spec says."""

    data_sha256: str  # of the pixels and labels of both parts
    training_samples: int
    scored_samples: int
    chosen_seed: int  # of the run that was kept
    device: str
    torch: str  # version
    commit: str  # of this project; empty where it is not known
    created: str  # ISO 8601, UTC
    seconds: float  # of training and attacks


@dataclass(frozen=True, kw_only=True)
class TrialRecord:
    """What a trial found."""

    spec: TrialSpec
    clean: AttackScores
    states: dict[str, tuple[AttackScores, ...]]  # by state, one for each of the spec's ε
    epochs: tuple[EpochScores, ...]  # empty unless the spec asks for them
    provenance: Provenance


@dataclass(frozen=True, kw_only=True)
class TransferSpec:
    """Every trained attacker of a data set against every model of it, completely but for the weights."""

    dataset: str
    epsilon: float
    samples: int = 256  # taken from the held-out part
    seed: int = 0  # chooses the samples

    def __post_init__(self) -> None:
        check_epsilon(self.epsilon, "linf")
        if self.samples < 2:
            raise LabError(f"Scores need at least 2 samples, got {self.samples}.")


@dataclass(frozen=True, kw_only=True)
class TransferRecord:
    """The accuracy of every model under the generators that were trained against each; frozen matching."""

    spec: TransferSpec
    attackers: tuple[str, ...]  # the models that the generators were trained against
    targets: tuple[str, ...]
    clean: dict[str, float]  # of each target
    accuracy: dict[tuple[str, str], float]  # by attacker and target

    def kept(self, attacker: str, target: str) -> float:
        """The share of its clean accuracy that a target keeps, in [0, 1] up to noise."""
        return self.accuracy[attacker, target] / max(self.clean[target], 1e-9)

    def farthest(self) -> tuple[str, float]:
        """The attacker that leaves the other models least, and the share of their clean accuracy that it leaves."""
        left = {a: fmean(self.kept(a, t) for t in self.targets if t != a) for a in self.attackers}
        name = min(left, key=left.__getitem__)
        return name, left[name]


def plain(spec: Any) -> dict[str, Any]:
    """A spec as JSON reads it back, lists for tuples. None says nothing, so that a later field changes no key."""
    return _plain_fields(asdict(spec))


def _plain_fields(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _plain(value) for name, value in fields.items() if value is not None}


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return _plain_fields(value)
    return [_plain(inner) for inner in value] if isinstance(value, tuple | list) else value
