"""The numbers of an attack on the latent at one γ: what ALRDC's tables hold, and what they leave out."""

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from core.errors import LabError
from core.metrics import latent_shift
from core.records import AttackSpec, CheckpointCard, Floats, Scores, SweepReport, SweepSpec, digest
from core.store import ResultStore

KIND = "latent"
VERSION = 1  # part of the key: raise it when the attack or a number changes
SAMPLES = 1024  # of the held-out part, where there are as many


@dataclass(frozen=True, kw_only=True)
class LatentResult:
    """One row of the tables: a model, clean and with its latent moved. Accuracies are in [0, 1]."""

    spec: SweepSpec
    gamma: float
    card_digest: str  # of the attacked weights
    attacker_digest: str  # of the perturbation networks
    clean: Scores
    attacked: Scores  # matching found again, as the paper's
    frozen: float  # ACC with the matching of the clean samples
    flips: float  # share of samples in another cluster
    control_flips: float  # by random directions of the same length
    control_accuracy: float  # frozen matching
    relative_shift: float  # D, percent
    absolute_shift: float  # D, per sample
    error: float  # squared, a picture's pixels summed: of the decoded clean pictures from the originals
    moved: float  # the same, of the decoded attacked pictures from the decoded clean ones

    @property
    def drop(self) -> float:
        """How much ACC falls, both matched anew as in the paper."""
        return self.clean.accuracy - self.attacked.accuracy


def sweep_spec(
    card: CheckpointCard, attacker: CheckpointCard, attack: str, *, samples: int, seed: int = 0
) -> SweepSpec:
    """The sweep over every γ that an attacker has networks for. Raises :class:`LabError` for an uneven grid."""
    gammas = [float(gamma) for gamma in attacker.recipe["gammas"]]
    if not np.allclose(gammas, [gammas[-1] * (i + 1) / len(gammas) for i in range(len(gammas))]):
        raise LabError(f"The γ of {attacker.dataset}/{attacker.name} are not evenly spaced from 0: {gammas}.")
    spec = AttackSpec(
        dataset=card.dataset,
        model=card.name,
        attack=attack,
        epsilon=gammas[-1],
        norm="gamma",
        samples=samples,
        seed=seed,
    )
    return SweepSpec(attack=spec, points=len(gammas) + 1)


def result_of(report: SweepReport, gamma: float, attacker_digest: str) -> LatentResult:
    """The numbers of a finished sweep at one γ of its grid. Raises :class:`LabError` for another γ."""
    frames = {frame.epsilon: frame for frame in report.frames}
    if gamma not in frames:
        raise LabError(f"The sweep has γ = {', '.join(f'{g:g}' for g in frames)}, and not {gamma:g}.")
    clean, after = report.frames[0], frames[gamma]
    half = len(clean.views) // 2  # pictures, then what is decoded
    shift = latent_shift(clean.hidden, after.hidden - clean.hidden)
    (control,) = after.controls.values()
    return LatentResult(
        spec=report.spec,
        gamma=gamma,
        card_digest=report.subject.card_digest,
        attacker_digest=attacker_digest,
        clean=clean.scores.rematched,
        attacked=after.scores.rematched,
        frozen=after.scores.frozen.accuracy,
        flips=after.scores.changed,
        control_flips=control.changed,
        control_accuracy=control.frozen.accuracy,
        relative_shift=shift.relative,
        absolute_shift=shift.absolute,
        error=squared_distance(clean.views[:half], clean.views[half:]),
        moved=squared_distance(clean.views[half:], after.views[half:]),
    )


def squared_distance(first: tuple[Floats, ...], second: tuple[Floats, ...]) -> float:
    """The squared difference of pictures V x (N, C, H, W): summed over views and pixels, mean over samples."""
    pairs = zip(first, second, strict=True)
    return sum(float(np.square(a - b, dtype=np.float64).sum() / len(a)) for a, b in pairs)


def save(store: ResultStore, result: LatentResult, *, shipped: bool = False) -> None:
    """Keep a result in the user's cache, or beside the shipped ones. Raises :class:`LabError` if it cannot."""
    store.save_values(
        KIND, _key(result.spec, result.card_digest, result.attacker_digest), asdict(result), shipped=shipped
    )


def load(store: ResultStore, spec: SweepSpec, card_digest: str, attacker_digest: str) -> LatentResult | None:
    """The kept result of that sweep on exactly these weights by these networks, or None; a damaged one is none."""
    values = store.load_values(KIND, _key(spec, card_digest, attacker_digest))
    if values is None:
        return None
    try:
        return LatentResult(
            spec=spec,
            card_digest=card_digest,
            attacker_digest=attacker_digest,
            clean=Scores(**{name: _number(values["clean"][name]) for name in SCORES}),
            attacked=Scores(**{name: _number(values["attacked"][name]) for name in SCORES}),
            **{name: _number(values[name]) for name in NUMBERS},
        )
    except (KeyError, TypeError, ValueError):
        return None


SCORES = ("accuracy", "nmi", "ari")
NUMBERS = (
    *("gamma", "frozen", "flips", "control_flips", "control_accuracy"),
    *("relative_shift", "absolute_shift", "error", "moved"),
)


def _key(spec: SweepSpec, card_digest: str, attacker_digest: str) -> str:
    return digest({"sweep": spec.digest, "weights": card_digest, "attacker": attacker_digest, "version": VERSION})


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{value!r} is not a finite number")
    return float(value)
