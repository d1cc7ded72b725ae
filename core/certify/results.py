"""What ClusTR's page and tables are made of: robust accuracies, fading slopes, networks of the plane as they train."""

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from core.errors import LabError
from core.records import Floats, Integers, check_epsilon, check_seed, digest
from core.store import Arrays, ResultStore

ROBUST, PLANE = "robust", "plane"  # kinds in the store
VERSION = 1  # part of the keys: raise it when an attack, a training or a number changes
ATTACKS = {  # in the order of the table: what is maximised, steps of PGD; None for noise and the ensemble
    "noise": ("", None),
    "paper_20": ("scores", 20),
    "paper_100": ("scores", 100),
    "log_20": ("log_scores", 20),
    "log_100": ("log_scores", 100),
    "margin_20": ("margin", 20),
    "magnet_100": ("magnet", 100),
    "ensemble": ("", None),
}
HONEST = ("log_20", "log_100", "margin_20", "magnet_100", "ensemble")
METHODS = ("magnet", "clustr")  # from new weights, from a warm start
SETS = ("two_moons", "two_circles")
SEEDS = (0, 1, 2)


@dataclass(frozen=True, kw_only=True)
class RobustSpec:
    """Every attack of the table on one classifier, completely."""

    dataset: str
    model: str
    epsilon: float = 0.1
    samples: int = 256  # taken from the held-out part
    restarts: int = 2  # of PGD; a sample counts as robust if it stands them all
    ensemble_steps: int = 10  # of its APGD and FAB; Square asks 50 times as often
    seed: int = 0

    def __post_init__(self) -> None:
        check_epsilon(self.epsilon, "linf")
        check_seed(self.seed)
        if min(self.samples, self.restarts, self.ensemble_steps) < 1:
            raise LabError("The table needs at least 1 sample, restart and step.")

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of every field."""
        return digest(asdict(self))


@dataclass(frozen=True, kw_only=True)
class RobustResult:
    """One row of the table: a classifier, right on clean samples and under each attack. Shares are in [0, 1]."""

    spec: RobustSpec
    card_digest: str
    clean: float  # accuracy
    accuracy: dict[str, float]  # by attack of ATTACKS: right, clean and at every restart's end
    still: dict[str, float]  # share of right samples whose first slope is 0 everywhere: "scores", "log_scores"
    along: tuple[float, ...]  # distances in ε of the way to the wrong class, for the two rows below
    slopes: dict[str, tuple[float, ...]]  # "scores", "log_scores": median length of the slope there


@dataclass(frozen=True, kw_only=True)
class PlaneSpec:
    """One training of ClusTR's small network on points of the plane."""

    dataset: str
    model: str  # "magnet" from new weights, "clustr" from a warm start
    seed: int = 0

    def __post_init__(self) -> None:
        check_seed(self.seed)
        if self.dataset not in SETS or self.model not in METHODS:
            raise LabError(f"In the plane there are {' and '.join(METHODS)} on {' and '.join(SETS)}.")

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of every field."""
        return digest(asdict(self))


@dataclass(frozen=True, kw_only=True)
class PlaneFrame:
    """The network after an epoch. Lengths are in the unit square of the points."""

    phase: str
    epoch: int
    weights: Floats  # (W,) the three layers, each weight then bias, row by row; the input's scaling is in the first
    centres: Floats  # (2, 2) of the classes, in the plane of the features
    accuracy: float  # on held-out points
    steepest: float  # the steepest place found on a grid: no proof
    bound: float  # a proven Lipschitz constant in the unit square; 0 where it was not looked for
    product: float  # the product of the layers' norms: a proof too
    distances: Floats  # (M,) of each held-out point's features to the border between the centres; negative if wrong


@dataclass(frozen=True, kw_only=True)
class PlaneReport:
    """A training as far as it has come."""

    spec: PlaneSpec
    points: Floats  # (M, 2) held-out, in [0, 1]
    labels: Integers  # (M,)
    class_names: tuple[str, ...]
    frames: tuple[PlaneFrame, ...]
    progress: float = 0.0

    @property
    def finished(self) -> bool:
        """Whether the last frame has its proof."""
        return self.progress >= 1


def radii(frame: PlaneFrame, lipschitz: float) -> Floats:
    """The certified radius of each held-out point (M,), by a Lipschitz constant; negative where the class is wrong."""
    return (frame.distances / lipschitz).astype(np.float32)


def certified(frame: PlaneFrame, lipschitz: float, grid: Floats) -> Floats:
    """The share of points that are right with a radius above each t of a grid (T,): Figure 3."""
    found = (radii(frame, lipschitz)[None] > grid[:, None]).mean(axis=1)
    return np.asarray(found, dtype=np.float32)


def save_robust(store: ResultStore, result: RobustResult, *, shipped: bool = False) -> None:
    """Keep a row in the user's cache, or beside the shipped ones. Raises :class:`LabError` if it cannot."""
    store.save_values(ROBUST, _robust_key(result.spec, result.card_digest), asdict(result), shipped=shipped)


def load_robust(store: ResultStore, spec: RobustSpec, card_digest: str) -> RobustResult | None:
    """The kept row on exactly these weights, or None; a damaged one is none."""
    values = store.load_values(ROBUST, _robust_key(spec, card_digest))
    if values is None:
        return None
    try:
        return RobustResult(
            spec=spec,
            card_digest=card_digest,
            clean=_number(values["clean"]),
            accuracy={name: _number(values["accuracy"][name]) for name in ATTACKS},
            still={name: _number(value) for name, value in values["still"].items()},
            along=tuple(map(_number, values["along"])),
            slopes={name: tuple(map(_number, row)) for name, row in values["slopes"].items()},
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        return None


SCALARS = ("epoch", "accuracy", "steepest", "bound", "product")
ARRAYS = ("weights", "centres", "distances")


def save_plane(store: ResultStore, report: PlaneReport, *, shipped: bool = False) -> None:
    """Keep a finished training. Raises :class:`LabError` if it cannot."""
    arrays: Arrays = {"points": report.points, "labels": report.labels.astype(np.uint8)}
    for name in ARRAYS:
        arrays[name] = np.stack([getattr(frame, name) for frame in report.frames]).astype(np.float32)
    for name in SCALARS:
        arrays[name] = np.array([getattr(frame, name) for frame in report.frames], dtype=np.float64)
    arrays["phases"] = np.array([frame.phase for frame in report.frames])
    arrays["class_names"] = np.array(report.class_names)
    store.save(PLANE, _plane_key(report.spec), arrays, shipped=shipped)


def load_plane(store: ResultStore, spec: PlaneSpec) -> PlaneReport | None:
    """The kept training, or None; a damaged one is none."""
    arrays = store.load(PLANE, _plane_key(spec))
    if arrays is None:
        return None
    try:
        frames = tuple(
            PlaneFrame(
                phase=str(arrays["phases"][i]),
                epoch=int(arrays["epoch"][i]),
                weights=arrays["weights"][i].astype(np.float32),
                centres=arrays["centres"][i].astype(np.float32),
                accuracy=float(arrays["accuracy"][i]),
                steepest=float(arrays["steepest"][i]),
                bound=float(arrays["bound"][i]),
                product=float(arrays["product"][i]),
                distances=arrays["distances"][i].astype(np.float32),
            )
            for i in range(len(arrays["phases"]))
        )
        return PlaneReport(
            spec=spec,
            points=arrays["points"].astype(np.float32),
            labels=arrays["labels"].astype(np.int64),
            class_names=tuple(map(str, arrays["class_names"])),
            frames=frames,
            progress=1.0,
        )
    except (KeyError, IndexError, ValueError):
        return None


def _robust_key(spec: RobustSpec, card_digest: str) -> str:
    return digest({"robust": spec.digest, "weights": card_digest, "version": VERSION})


def _plane_key(spec: PlaneSpec) -> str:
    return digest({"plane": spec.digest, "version": VERSION})


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{value!r} is not a finite number")
    return float(value)
