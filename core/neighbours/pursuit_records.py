"""The records of samples that are pushed toward a neighbouring cluster. NumPy and plain values only."""

from dataclasses import asdict, dataclass

from core.errors import LabError
from core.records import Floats, Integers, MapRecord, digest
from core.trace_records import TraceReport, TraceSpec

STRATEGY_NAMES = {"both": "both", "toward": "toward the neighbour", "own": "away from its own"}


@dataclass(frozen=True, kw_only=True)
class PursuitSpec:
    """Neighbour pursuit on a few held-out samples, step by step: the same spec gives the same way."""

    dataset: str
    model: str  # a checkpoint of a representation
    samples: tuple[int, ...]  # places in the whole data set
    epsilon: float
    steps: int = 10
    strategy: str = "both"  # a key of STRATEGY_NAMES
    rank: int = 2  # of the neighbour among the centroids, by nearness to the clean sample; 1 is its own
    seed: int = 0

    def __post_init__(self) -> None:
        if self.strategy not in STRATEGY_NAMES:
            raise LabError(f"A strategy is one of {', '.join(STRATEGY_NAMES)}, got {self.strategy!r}.")
        if self.rank < 2:
            raise LabError(f"The nearest neighbour has rank 2, as 1 is the own cluster; got {self.rank}.")
        self.trace  # noqa: B018  checks the rest

    @property
    def trace(self) -> TraceSpec:
        """The same as steps of PGD."""
        return TraceSpec(
            dataset=self.dataset,
            model=self.model,
            samples=self.samples,
            epsilon=self.epsilon,
            steps=self.steps,
            objective=f"pursuit of neighbour {self.rank}, {STRATEGY_NAMES[self.strategy]}",
            seed=self.seed,
        )

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of every field."""
        return digest({"pursuit": asdict(self)})


@dataclass(frozen=True, kw_only=True)
class PursuitReport:
    """A pursuit as far as it has come. K clusters of the representation, F frames, S samples, M held-out samples.

    In the trace clusters are the representation's, and the names of labels stand behind those of clusters.
    """

    spec: PursuitSpec
    trace: TraceReport
    map: MapRecord  # of unit representations
    centroids: Floats  # (K, 2) on the map
    cluster_names: tuple[str, ...]  # (K,) with the class that most of a cluster's samples get from the head
    class_names: tuple[str, ...]
    classes: Integers  # (F, S) what the head says
    labels: Integers  # (S,)
    own: Integers  # (S,) the nearest centroid of the clean sample
    neighbour: Integers  # (S,) the one it is pushed toward
    likeness: Floats  # (F, S, 2) cosine to the own and to the neighbour's centroid
    grid: tuple[int, ...]  # numbers of clusters among which the silhouette chose
    curve: tuple[float, ...]  # the silhouette of each

    @property
    def progress(self) -> float:
        """Share of the steps that are done."""
        return self.trace.progress
