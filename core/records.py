"""The record side of the lab: specs that go in and records that come out. NumPy and plain values only.

A spec is frozen and hashable, and therefore the only key a cache may use.
"""

import json
import math
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.ensemble_records import EnsembleOutcome
from core.errors import LabError, shortened

Floats = NDArray[np.float32]
Integers = NDArray[np.int64]


MOST_STEPS, MOST_POINTS = 100_000, 1000  # of an attack, of a grid
LARGEST_SEED = 2**32 - 1
LARGEST_STEP = 2.0  # times ε: from one face of the ball to the other
ATTACKER_KINDS = {"attacker": "gan", "latent": "latent"}  # kinds of training that make an attack, and which


def digest(value: Any) -> str:
    """SHA-256 (hex) of a JSON-serialisable value with sorted keys."""
    return sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def check_epsilon(epsilon: float, norm: str) -> None:
    """Raise :class:`LabError` unless ``epsilon`` is a usable budget: [0, 1] for linf, finite and >= 0 for the others.

    The norm "gamma" stands for an attack without a budget; ε is then the weight γ of its aim, as in ALRDC.
    """
    if norm == "linf" and not 0 <= epsilon <= 1:
        raise LabError(f"ε must lie in [0, 1] on the pixel scale 0 to 1, got {epsilon}. Try 0.2.")
    if norm == "l2" and not (math.isfinite(epsilon) and epsilon >= 0):
        raise LabError(f"An L2 ε must be a finite number of at least 0, got {epsilon}. Try 4.")
    if norm == "gamma" and not (math.isfinite(epsilon) and epsilon >= 0):
        raise LabError(f"γ must be a finite number of at least 0, got {epsilon}. Try 40.")
    if norm not in ("linf", "l2", "gamma"):
        raise LabError(f"A budget's norm is linf or l2, or gamma where γ takes its place, got {norm!r}.")


def check_seed(seed: int) -> None:
    """Raise :class:`LabError` unless ``seed`` is one that every generator takes."""
    if not 0 <= seed <= LARGEST_SEED:
        raise LabError(f"A seed must lie from 0 to {LARGEST_SEED}, got {seed}.")


def check_step_size(relative: float) -> None:
    """Raise :class:`LabError` unless ``relative`` can be a step's size as a multiple of ε."""
    if not 0 < relative <= LARGEST_STEP:
        raise LabError(f"A step is a multiple of ε above 0 and up to {LARGEST_STEP:g}, got {relative}. Try 0.5.")


@dataclass(frozen=True, kw_only=True)
class AttackSpec:
    """One attack on one model, completely: the same spec gives the same result."""

    dataset: str
    model: str  # a checkpoint of that data set, for example "cl_mvc" or "cl_mvc.released"
    attack: str
    epsilon: float  # the budget; in a sweep, the largest
    samples: int = 256  # taken from the held-out part
    seed: int = 0  # chooses the samples and drives the attack's randomness
    views: tuple[int, ...] | None = None  # attacked views, None for all
    norm: str = "linf"
    steps: int = 10  # PGD, and APGD in the ensemble
    objective: str = "both"  # FGSM and PGD only
    target_mode: str = "eval"  # "train" is the released code's: batch statistics
    relative_step_size: float | None = None  # of PGD, a multiple of ε; None for 2.5 / steps

    def __post_init__(self) -> None:
        check_epsilon(self.epsilon, self.norm)
        check_seed(self.seed)
        if self.samples < 1:
            raise LabError(f"An attack needs at least 1 sample, got {self.samples}.")
        if not 1 <= self.steps <= MOST_STEPS:
            raise LabError(f"An attack needs from 1 to {MOST_STEPS:,} steps, got {shortened(self.steps)}.")
        if self.views is not None and not self.views:
            raise LabError("Choose at least one view to attack.")
        if self.target_mode not in ("eval", "train"):
            raise LabError(f"The target's mode is eval or train, got {self.target_mode!r}.")
        if self.relative_step_size is not None:
            if self.attack != "pgd":
                raise LabError(f"PGD alone has a step size to choose, {self.attack} has none; leave it out.")
            check_step_size(self.relative_step_size)

    @property
    def values(self) -> dict[str, Any]:
        """Every field by its name, but no step size where it is the usual one: results older than the field stay."""
        values = asdict(self)
        if self.relative_step_size is None:
            del values["relative_step_size"]
        return values

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of every field."""
        return digest(self.values)


@dataclass(frozen=True, kw_only=True)
class SweepSpec:
    """One attack along a grid of ε from 0 to the attack's ε."""

    attack: AttackSpec
    points: int = 13  # frames, ε = 0 included

    def __post_init__(self) -> None:
        if self.points < 2:
            raise LabError(f"A sweep needs at least 2 points (ε = 0 and ε max), got {self.points}.")
        if self.points > MOST_POINTS:
            raise LabError(f"A sweep has at most {MOST_POINTS:,} points, got {shortened(self.points)}.")

    @property
    def epsilons(self) -> tuple[float, ...]:
        """The grid, from 0 to ε max, evenly spaced."""
        return tuple(self.attack.epsilon * i / (self.points - 1) for i in range(self.points))

    @property
    def passes(self) -> int:
        """How often a sample passes the model, forward or back: roughly how long this takes beside other sweeps."""
        attack = self.attack
        each = {"fgsm": 3, "pgd": 3 * attack.steps, "ensemble": 60 * attack.steps}.get(attack.attack, 0)
        return (self.points - 1) * attack.samples * (3 + each)  # the attacked samples are looked at, and two controls

    @property
    def values(self) -> dict[str, Any]:
        """Every field by its name, the attack's as its ``values``."""
        return asdict(self) | {"attack": self.attack.values}

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of every field."""
        return digest(self.values)


@dataclass(frozen=True, kw_only=True)
class TrainSpec:
    """One training, completely. What is None is the recipe's."""

    dataset: str
    model: str  # a name in MODELS; for an attacker, the checkpoint it is trained against
    kind: str = "model"  # or one of ATTACKER_KINDS
    protocol: str = "lab"
    seed: int = 0
    samples: int | None = None  # of the training part, from its start; None for all. Scores then use 5,000
    epochs: int | None = None  # of a defense's last stage; an attacker's late phase has half as many more
    runs: int | None = None  # seeds seed, seed + 1, …, the lowest final loss wins
    epsilon: float | None = None  # an attacker's budget
    precision: str | None = None  # "float32", or "bfloat16" for convolutions where the processor is fast at it
    latent: int | None = None  # dimensions of a ConvAE's latent

    def __post_init__(self) -> None:
        if self.kind != "model" and self.kind not in ATTACKER_KINDS:
            raise LabError(f"Training makes a model, an attacker or a latent attacker, got {self.kind!r}.")
        check_seed(self.seed)
        for name in ("samples", "epochs", "runs", "latent"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise LabError(f"The number of {name} must be at least 1, got {value}.")
        if self.precision not in (None, "float32", "bfloat16"):
            raise LabError(f"Training's precision is float32 or bfloat16, got {self.precision!r}.")
        if self.kind == "model" and self.epsilon is not None:
            raise LabError("A model is trained without an ε of its own; give --epsilon to its attacker.")
        if self.kind != "model" and self.runs is not None:
            raise LabError("An attacker is trained once; leave --runs out.")
        if self.kind != "model" and self.latent is not None:
            raise LabError("An attacker takes its target's latent; leave --latent out.")
        if self.kind == "latent" and self.epsilon is not None:
            raise LabError("A latent attacker has no ε: its γ stand in its recipe.")
        if self.epsilon is not None:
            check_epsilon(self.epsilon, "linf")

    @property
    def name(self) -> str:
        """The checkpoint's name: the model, what is not usual of it, and ".gan" or ".latent" for an attacker."""
        if self.kind != "model":
            return f"{self.model}.{ATTACKER_KINDS[self.kind]}"
        unusual = [self.protocol] if self.protocol != "lab" else []
        unusual += [f"latent{self.latent}"] if self.latent is not None else []
        return ".".join([self.model, *unusual])

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of every field."""
        return digest(asdict(self))


@dataclass(frozen=True)
class Scores:
    """How well clusters agree with labels, each in [0, 1] but ARI in [-0.5, 1]."""

    accuracy: float
    nmi: float
    ari: float


@dataclass(frozen=True, kw_only=True)
class AttackScores:
    """Scores of one state of the samples (clean, attacked, control), with both matchings."""

    frozen: Scores  # cluster -> label as found on the clean samples
    rematched: Scores  # found again; NMI and ARI do not depend on a matching
    changed: float  # share of samples whose cluster is not the clean one
    recall: tuple[float, ...]  # per label, frozen matching; NaN where a label has no sample
    l2: tuple[float, ...]  # per view, mean over samples of ‖δ‖₂
    linf: tuple[float, ...]  # per view, largest |δ| of any pixel


@dataclass(frozen=True, kw_only=True)
class Subject:
    """The samples under attack and what stays the same along a sweep."""

    index: Integers  # (N,) place in the whole data set
    labels: Integers  # (N,)
    class_names: tuple[str, ...]
    n_clusters: int
    matching: Integers  # (K,) label of each cluster, -1 for none; found on the clean samples
    card_digest: str  # digest of the weights that were attacked

    @property
    def cluster_names(self) -> tuple[str, ...]:
        """Name of each cluster: its matched class, or "unmatched k"."""
        return tuple(self.class_names[m] if m >= 0 else f"unmatched {k}" for k, m in enumerate(self.matching))


@dataclass(frozen=True, kw_only=True)
class Frame:
    """The samples at one ε."""

    epsilon: float
    views: tuple[Floats, ...]  # V x (N, C, H, W) in [0, 1]
    clusters: Integers  # (N,)
    confidence: Floats  # (N,) the largest cluster probability
    hidden: Floats  # (N, H)
    scores: AttackScores
    controls: dict[str, AttackScores] = field(default_factory=dict)  # by control: noise, untrained_generator
    seconds: float = 0.0  # time of the attack at this ε
    ensemble: EnsembleOutcome | None = None  # of an attack of several members


@dataclass(frozen=True, kw_only=True)
class AttackReport:
    """One attack at one ε, beside the clean samples."""

    spec: AttackSpec
    subject: Subject
    clean: Frame
    attacked: Frame


@dataclass(frozen=True, kw_only=True)
class SweepReport:
    """One attack along ε, as far as it has come; ``frames[0]`` is ε = 0, the clean samples."""

    spec: SweepSpec
    subject: Subject
    frames: tuple[Frame, ...]
    progress: float = 0.0  # share of the work that is done, 0 to 1

    @property
    def finished(self) -> bool:
        """Whether every ε of the grid is there."""
        return len(self.frames) == self.spec.points

    @property
    def nbytes(self) -> int:
        """Memory of the frames' pictures and hidden representations."""
        return sum(array.nbytes for frame in self.frames for array in (*frame.views, frame.hidden))


@dataclass(frozen=True, kw_only=True)
class SweepScores:
    """The numbers of a finished sweep without its pictures: what is kept of it for another day."""

    spec: SweepSpec
    card_digest: str  # of the weights that were attacked
    attacker_digest: str | None  # of the attacker's weights; None for an attack that is not trained
    attack: tuple[AttackScores, ...]  # one for each of ``spec.epsilons``; the first is clean
    controls: dict[str, tuple[AttackScores, ...]]  # by control: noise, untrained_generator


@dataclass(frozen=True, kw_only=True)
class ConfusionRecord:
    """The confusion matrices of a finished sweep."""

    spec: SweepSpec
    counts: Integers  # (F, L, K) samples of each label in each cluster, one matrix for each of ``spec.epsilons``
    matching: Integers  # (K,) label of each cluster, -1 for none; found on the clean samples
    card_digest: str  # of the weights that were attacked


@dataclass(frozen=True, kw_only=True)
class MatchingLesson:
    """A small confusion matrix with both matchings, for the guide."""

    class_names: tuple[str, ...]
    counts: Integers  # (L, K)
    frozen: Integers  # (K,) label of each cluster, -1 for none
    rematched: Integers  # (K,)
    frozen_scores: Scores
    rematched_scores: Scores


@dataclass(frozen=True, kw_only=True)
class MapRecord:
    """Where the samples of a sweep lie on a plane that the clean held-out samples span."""

    method: str  # "pca" or "umap"
    points: Floats  # (F, N, 2), one row of coordinates a frame
    reference: Floats  # (M, 2) clean held-out samples
    reference_clusters: Integers  # (M,)


@dataclass(frozen=True, kw_only=True)
class EpochLog:
    """One finished epoch of training."""

    phase: str
    epoch: int  # 1 .. epochs, counted over all phases
    epochs: int
    terms: dict[str, float]  # mean over batches of each weighted loss term
    seconds: float
    seconds_left: float  # estimate from the epochs so far
    run: int = 1  # 1 .. runs
    runs: int = 1

    @property
    def total(self) -> float:
        """The loss: the sum of its terms."""
        return sum(self.terms.values())


@dataclass(frozen=True, kw_only=True)
class CheckpointCard:
    """The JSON beside a checkpoint's weights: what it is, how it was made, what it scores."""

    dataset: str
    model: str  # name in MODELS
    name: str  # file stem in checkpoints/<dataset>/
    kind: str  # "model", "attacker" (a GAN's generators) or "latent" (perturbation networks)
    protocol: str
    seed: int
    view_shapes: tuple[tuple[int, int, int], ...]
    n_clusters: int
    samples: int  # training samples
    held_out_samples: int  # that it was scored on
    recipe: dict[str, Any]
    scores: dict[str, dict[str, float]]  # by part ("train", "held_out"): accuracy, nmi, ari
    runs: list[dict[str, float]]  # of each seed: seed, loss, and held-out accuracy, nmi, ari; empty if not kept
    bits: int  # of a stored weight, at most: the fewest that leave the scores as they are
    command: str
    training_seconds: float  # of all seeds
    device: str
    torch: str  # version
    created: str  # ISO 8601, UTC
    sha256: str  # of the weights file
    target_sha256: str | None = None  # an attacker's: of the weights it was trained against; ALRDC's: of its attacker's
