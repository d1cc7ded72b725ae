"""Theorem 4.2 on a checkpoint: adversarial versions of held-out samples, and what :mod:`core.theory` says of them."""

from collections.abc import Iterator
from dataclasses import asdict, replace

import numpy as np
from numpy.typing import NDArray

from core import theory
from core.attacks import ATTACKS
from core.attacks.base import Budget
from core.errors import LabError
from core.frames import attack_in_chunks, encode
from core.models.base import ClusteringModel
from core.records import Floats, digest
from core.store import Arrays, ResultStore
from core.theorem_records import TheoremCurve, TheoremReport, TheoremSpec
from core.types import Views

KIND = "theorem"
VERSION = 1  # part of the key: raise it when the measurement changes


def measure(model: ClusteringModel, views: Views, spec: TheoremSpec, card_digest: str) -> Iterator[TheoremReport]:
    """The report as it grows, after every step of every attack; views are the spec's samples, V x (N, C, H, W)."""
    report = TheoremReport(
        spec=spec, card_digest=card_digest, curves={name: _no_curve(spec) for name in families(spec)}
    )
    yield report
    clean = encode(model, views).probs.cpu().numpy()
    rounds = len(spec.epsilons) * spec.versions
    done = 0
    for epsilon in spec.epsilons:
        made: dict[str, list[Floats]] = {}
        for objective in spec.objectives:
            attack = ATTACKS.make("pgd", steps=spec.steps, objective=objective)
            for start in range(spec.starts):
                adversarial: Views = ()
                seed = spec.seed + start
                for share, done_views in attack_in_chunks(attack, model, views, Budget(epsilon=epsilon), seed=seed):
                    adversarial = done_views
                    yield replace(report, progress=(done + share) / rounds)
                made.setdefault(objective, []).append(encode(model, adversarial).probs.cpu().numpy())
                done += 1
        report = replace(report, curves=_grown(report, made, clean), progress=done / rounds)
        yield report


def families(spec: TheoremSpec) -> dict[str, tuple[str, ...]]:
    """The objectives whose versions belong together, by name: each alone, and "all" if there are several."""
    alone: dict[str, tuple[str, ...]] = {name: (name,) for name in spec.objectives}
    return alone if len(alone) == 1 else {"all": spec.objectives, **alone}


def load(store: ResultStore, spec: TheoremSpec, card_digest: str) -> TheoremReport | None:
    """The kept report of that measurement on exactly these weights, or None."""
    arrays = store.load(KIND, _key(spec, card_digest))
    shape = (len(spec.epsilons), spec.samples)
    curves = {}
    for name in families(spec):
        parts = {field: None if arrays is None else arrays.get(f"{name}-{field}") for field in _FIELDS}
        if any(part is None or part.shape != shape for part in parts.values()):
            return None
        curves[name] = TheoremCurve(**{field: np.asarray(part, np.float32) for field, part in parts.items()})
    return TheoremReport(spec=spec, card_digest=card_digest, curves=curves, progress=1.0)


def save(store: ResultStore, report: TheoremReport, *, shipped: bool = False) -> None:
    """Keep a finished report. Raises :class:`LabError` if it is not finished or cannot be written."""
    if not report.finished:
        raise LabError("Only a finished measurement is kept; this one has not reached its largest ε.")
    arrays: Arrays = {
        f"{name}-{field}": getattr(curve, field).astype(np.float32)
        for name, curve in report.curves.items()
        for field in _FIELDS
    }
    store.save(KIND, _key(report.spec, report.card_digest), arrays, shipped=shipped)


_FIELDS = ("information", "bound", "moved")


def _key(spec: TheoremSpec, card_digest: str) -> str:
    return digest({"spec": asdict(spec), "weights": card_digest, "version": VERSION})


def _no_curve(spec: TheoremSpec) -> TheoremCurve:
    nothing = np.empty((0, spec.samples), dtype=np.float32)
    return TheoremCurve(information=nothing, bound=nothing, moved=nothing)


def _grown(report: TheoremReport, made: dict[str, list[Floats]], clean: Floats) -> dict[str, TheoremCurve]:
    """The curves with one ε more: ``made`` are probabilities (N, K) of each version, by objective."""
    curves = {}
    for name, objectives in families(report.spec).items():
        versions = np.stack([probs for objective in objectives for probs in made[objective]], axis=1)  # (N, S, K)
        moved = (versions.argmax(axis=2) != clean.argmax(axis=1)[:, None]).mean(axis=1)
        curve = report.curves[name]
        curves[name] = TheoremCurve(
            information=_with(curve.information, theory.conditional_mutual_information(versions)),
            bound=_with(curve.bound, theory.mitigation_bound(versions, clean)),
            moved=_with(curve.moved, moved),
        )
    return curves


def _with(rows: Floats, row: NDArray[np.floating]) -> Floats:
    return np.vstack([rows, row.astype(np.float32)])
