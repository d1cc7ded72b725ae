"""The records of Theorem 4.2's measurement. NumPy and plain values only, as in :mod:`core.records`."""

from dataclasses import asdict, dataclass

from core.errors import LabError
from core.records import Floats, check_epsilon, check_seed, digest


@dataclass(frozen=True, kw_only=True)
class TheoremSpec:
    """A measurement of Theorem 4.2 on one checkpoint, completely."""

    dataset: str
    model: str
    epsilons: tuple[float, ...] = (0.05, 0.1, 0.15, 0.2, 0.3)
    samples: int = 64  # taken from the held-out part
    objectives: tuple[str, ...] = ("assignment", "both")  # of the PGD that makes the adversarial versions
    starts: int = 4  # random starts for each objective
    steps: int = 5
    seed: int = 0  # chooses the samples; start i draws with seed + i

    def __post_init__(self) -> None:
        for epsilon in self.epsilons:
            check_epsilon(epsilon, "linf")
        check_seed(self.seed + self.starts)
        if not self.epsilons or not self.objectives or min(self.samples, self.starts, self.steps) < 1:
            raise LabError("The measurement needs at least one ε, objective, sample, start and step.")

    @property
    def versions(self) -> int:
        """How many adversarial versions each sample has at each ε."""
        return len(self.objectives) * self.starts

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of every field."""
        return digest(asdict(self))


@dataclass(frozen=True, kw_only=True)
class TheoremCurve:
    """Both sides of Theorem 4.2 in nats, and the share of versions in another cluster, a row each ε: (E, N)."""

    information: Floats  # I(x̃; ã | x) of each sample
    bound: Floats  # KL(p(ã | x̃) ‖ p(a | x)) of each sample
    moved: Floats


@dataclass(frozen=True, kw_only=True)
class TheoremReport:
    """The measurement as far as it has come, for each family of adversarial versions: all, or of one objective."""

    spec: TheoremSpec
    card_digest: str  # of the measured weights
    curves: dict[str, TheoremCurve]
    progress: float = 0.0  # share of the work that is done, 0 to 1

    @property
    def finished(self) -> bool:
        """Whether every ε is there."""
        return all(len(curve.bound) == len(self.spec.epsilons) for curve in self.curves.values())
