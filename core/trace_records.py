"""The records of PGD followed step by step. NumPy and plain values only, as in :mod:`core.records`.

Shape letters: S samples, V views, K clusters, H width of the hidden layer, F frames.
"""

from dataclasses import asdict, dataclass

import numpy as np

from core.errors import LabError
from core.records import AttackSpec, Floats, Integers, Subject, digest

MOST = 128  # samples followed at once
LOG_FLOOR = 1e-12  # keeps the logarithm of a certain cluster finite, as in the assignment objective
CLEAN, START = -1, 0  # iterations of the first two frames


@dataclass(frozen=True, kw_only=True)
class TraceSpec:
    """PGD on a few samples, to be followed step by step: the same spec gives the same way."""

    dataset: str
    model: str
    samples: tuple[int, ...]  # places in the whole data set, of held-out samples
    epsilon: float
    steps: int = 10
    relative_step_size: float | None = None  # a multiple of ε; None for 2.5 / steps
    objective: str = "both"
    seed: int = 0  # chooses the random starts
    views: tuple[int, ...] | None = None  # attacked views, None for all
    norm: str = "linf"

    def __post_init__(self) -> None:
        if not 1 <= len(self.samples) <= MOST or len(set(self.samples)) < len(self.samples):
            raise LabError(f"Steps are followed on 1 to {MOST} different samples, got {len(self.samples)}.")
        if self.objective == "contrastive":
            raise LabError("The contrastive objective compares a batch of samples; choose one that sees each alone.")
        self.attack  # noqa: B018  checks what it shares with an attack

    @property
    def attack(self) -> AttackSpec:
        """The same attack without its steps."""
        return AttackSpec(
            dataset=self.dataset,
            model=self.model,
            attack="pgd",
            epsilon=self.epsilon,
            samples=len(self.samples),
            seed=self.seed,
            views=self.views,
            norm=self.norm,
            steps=self.steps,
            objective=self.objective,
            relative_step_size=self.relative_step_size,
        )

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of every field."""
        return digest({"trace": asdict(self)})


@dataclass(frozen=True, kw_only=True)
class TraceFrame:
    """The samples in one state."""

    views: tuple[Floats, ...]  # V x (S, C, H, W) in [0, 1]
    objective: Floats  # (S,) what PGD makes large, of these views
    probs: Floats  # (S, K)
    hidden: Floats  # (S, H)
    linf: Floats  # (V, S) ‖δ‖∞
    l2: Floats  # (V, S) ‖δ‖₂


@dataclass(frozen=True, kw_only=True)
class TraceReport:
    """A trace as far as it has come: the clean samples, their random starts (iteration 0), then a frame a step."""

    spec: TraceSpec
    subject: Subject  # its matching is found on clean held-out samples, as a map has them
    frames: tuple[TraceFrame, ...]
    step_size: float  # that was used

    @property
    def total(self) -> int:
        """Frames of the finished trace."""
        return self.spec.steps + 2

    @property
    def progress(self) -> float:
        """Share of the frames that are there."""
        return len(self.frames) / self.total

    @property
    def iterations(self) -> tuple[int, ...]:
        """The iteration of each frame there will be: -1 for clean, 0 for the random start, 1 …"""
        return tuple(range(CLEAN, self.spec.steps + 1))

    @property
    def clusters(self) -> Integers:
        """The cluster of each sample in each frame, (F, S)."""
        return np.stack([frame.probs.argmax(axis=1) for frame in self.frames])

    @property
    def rivals(self) -> Integers:
        """The most probable cluster but the clean one, (F, S)."""
        rivals: Integers = self._without_clean().argmax(axis=2)
        return rivals

    @property
    def margins(self) -> Floats:
        """p(clean cluster) - the largest other p, in [-1, 1], (F, S): below 0 the sample is in another cluster."""
        probs = np.stack([frame.probs for frame in self.frames])
        kept = np.take_along_axis(probs, self.clusters[:1, :, None], axis=2)[..., 0]
        margins: Floats = kept - self._without_clean().max(axis=2)
        return margins

    @property
    def log_margins(self) -> Floats:
        """ln p(clean cluster) - ln of the largest other p, (F, S): the sign of :attr:`margins`, never saturated."""
        probs = np.stack([frame.probs for frame in self.frames])
        kept = np.take_along_axis(probs, self.clusters[:1, :, None], axis=2)[..., 0]
        other = self._without_clean().max(axis=2)
        logs: Floats = np.log(np.maximum(kept, LOG_FLOOR)) - np.log(np.maximum(other, LOG_FLOOR))
        return logs

    @property
    def crossings(self) -> tuple[int | None, ...]:
        """The first iteration at which each sample is not in its clean cluster, None for never so far."""
        moved = self.clusters != self.clusters[0]
        return tuple(self.iterations[int(column.argmax())] if column.any() else None for column in moved.T)

    def _without_clean(self) -> Floats:
        """Probabilities (F, S, K) with -1 for the clean cluster."""
        probs = np.stack([frame.probs for frame in self.frames])
        np.put_along_axis(probs, self.clusters[:1, :, None], -1, axis=2)
        return probs
