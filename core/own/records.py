"""What one's own pictures are and become: samples read from a drawing or a file, and what a model says of them.

They have no labels, so nothing here is an accuracy. Shape letters: N own samples, M reference samples, K clusters.
"""

from dataclasses import dataclass, field

from core.records import Floats, Integers, SweepSpec

MOST_SEEN, FEWEST_SEEN = 64, 6  # own samples whose pictures are shown under attack
SEEN_VALUES = 3_000_000  # of all of these pictures, along ε


def seen(values_each: int, points: int) -> int:
    """How many own samples are shown under attack, of so many values each: fewer where pictures are large."""
    return min(MOST_SEEN, max(FEWEST_SEEN, SEEN_VALUES // (values_each * points)))


@dataclass(frozen=True, kw_only=True)
class OwnSamples:
    """Samples that somebody brought, ready for a model."""

    names: tuple[str, ...]  # N plain texts, safe to show
    views: tuple[Floats, ...]  # V x (N, C, H, W) in [0, 1]
    notes: tuple[str, ...]  # what was done to make them, a sentence each


@dataclass(frozen=True, kw_only=True)
class Reference:
    """Clean held-out samples of a data set as one model sees them: what one's own samples are compared with."""

    index: Integers  # (M,) place in the whole data set
    labels: Integers  # (M,)
    clusters: Integers  # (M,)
    hidden: Floats  # (M, H)
    views: tuple[Floats, ...]  # V x (M, C, H, W)
    class_names: tuple[str, ...]
    matching: Integers  # (K,) label of each cluster, -1 for none; found on these samples
    typical: Integers  # (K, T) rows of the samples nearest to each cluster's mean, -1 where it has fewer
    held_out: int  # samples of the held-out part, of which these are the first

    @property
    def nbytes(self) -> int:
        """Memory of its pictures and hidden representations."""
        return sum(array.nbytes for array in (*self.views, self.hidden))


@dataclass(frozen=True, kw_only=True)
class ProbeFrame:
    """One's own samples at one ε."""

    epsilon: float
    views: tuple[Floats, ...]  # V x (N, C, H, W) in [0, 1]; of an attacked frame, only those that are seen
    probs: Floats  # (N, K)
    hidden: Floats  # (N, H)
    neighbours: Integers  # (N, k) rows of the nearest reference samples in the hidden layer, nearest first
    distances: Floats  # (N, k) to them
    controls: dict[str, Integers] = field(default_factory=dict)  # clusters (N,) under noise, untrained_generator
    seconds: float = 0.0  # time of the attack at this ε

    @property
    def clusters(self) -> Integers:
        """The most probable cluster of each sample, (N,)."""
        clusters: Integers = self.probs.argmax(axis=1)
        return clusters

    @property
    def confidence(self) -> Floats:
        """The largest cluster probability of each sample, (N,)."""
        confidence: Floats = self.probs.max(axis=1)
        return confidence


@dataclass(frozen=True, kw_only=True)
class ProbeReport:
    """One's own samples under one attack along ε, as far as it has come; ``frames[0]`` is ε = 0."""

    spec: SweepSpec
    reference: Reference
    frames: tuple[ProbeFrame, ...]
    card_digest: str  # digest of the weights
    progress: float = 0.0  # share of the work that is done, 0 to 1
