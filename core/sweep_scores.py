"""The numbers of a finished sweep as plain JSON and back, and the key they are kept under.

A sweep follows from its spec, the attacked weights and, for a trained attack, the attacker's weights. Pictures are not
kept: whoever wants them runs the sweep again. A result that is damaged, or of something else, counts as absent.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from core.errors import LabError
from core.records import AttackScores, Scores, SweepReport, SweepScores, SweepSpec, digest
from core.store import ResultStore

KIND = "sweeps"
VERSION = 1  # part of the key: raise it when an attack or a score changes
DIGITS = 6  # kept of every number
CURVES = ("accuracy", "rematched", "nmi", "ari", "changed")  # a number each ε; NMI and ARI need no matching
ROWS = ("recall", "l2", "linf")  # several numbers each ε
LARGEST_ROW = 10_000


def scores_of(report: SweepReport, attacker_digest: str | None = None) -> SweepScores:
    """The numbers of a report. Raises :class:`LabError` if it is not finished."""
    if not report.finished:
        raise LabError("Only a finished sweep is kept; this one has not reached its largest ε.")
    controls = report.frames[-1].controls
    return SweepScores(
        spec=report.spec,
        card_digest=report.subject.card_digest,
        attacker_digest=attacker_digest,
        attack=tuple(frame.scores for frame in report.frames),
        controls={name: tuple(frame.controls[name] for frame in report.frames) for name in controls},
    )


def save(store: ResultStore, scores: SweepScores, *, shipped: bool = False) -> None:
    """Keep the numbers in the user's cache, or beside the shipped ones. Raises :class:`LabError` if it cannot."""
    names = _names(scores.spec, scores.card_digest, scores.attacker_digest)
    states = {"attack": scores.attack, **{f"control {name}": rows for name, rows in scores.controls.items()}}
    values = {**names, "states": {name: columns(rows) for name, rows in states.items()}}
    store.save_values(KIND, digest(names), values, shipped=shipped)


def load(
    store: ResultStore,
    spec: SweepSpec,
    card_digest: str,
    attacker_digest: str | None = None,
    *,
    shipped_only: bool = False,
) -> SweepScores | None:
    """The numbers of that sweep on exactly these weights, or None where none are kept."""
    names = _names(spec, card_digest, attacker_digest)
    values = store.load_values(KIND, digest(names), shipped_only=shipped_only)
    if values is None or any(values.get(name) != wanted for name, wanted in names.items()):
        return None
    try:
        states = {name: rows_of(numbers, spec.points) for name, numbers in values["states"].items()}
        attack = states.pop("attack")
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
        return None
    return SweepScores(
        spec=spec,
        card_digest=card_digest,
        attacker_digest=attacker_digest,
        attack=attack,
        controls={name.removeprefix("control "): rows for name, rows in states.items()},
    )


def _names(spec: SweepSpec, card_digest: str, attacker_digest: str | None) -> dict[str, Any]:
    """All that the numbers follow from, as JSON reads it back."""
    values = spec.values
    if spec.attack.views is not None:
        values["attack"]["views"] = list(spec.attack.views)
    return {"spec": values, "weights": card_digest, "attacker": attacker_digest, "version": VERSION}


def columns(rows: Sequence[AttackScores]) -> dict[str, list[Any]]:
    """The scores of one state along ε as plain JSON, a list for each number."""
    return {
        "accuracy": [_short(row.frozen.accuracy) for row in rows],
        "rematched": [_short(row.rematched.accuracy) for row in rows],
        "nmi": [_short(row.frozen.nmi) for row in rows],
        "ari": [_short(row.frozen.ari) for row in rows],
        "changed": [_short(row.changed) for row in rows],
        "recall": [list(map(_short, row.recall)) for row in rows],
        "l2": [list(map(_short, row.l2)) for row in rows],
        "linf": [list(map(_short, row.linf)) for row in rows],
    }


def _short(value: float) -> float | None:
    return None if math.isnan(value) else round(float(value), DIGITS)


def rows_of(columns: Mapping[str, Any], points: int) -> tuple[AttackScores, ...]:
    """What :func:`columns` made. Raises ValueError, TypeError or KeyError for anything but ``points`` of them."""
    curves = {name: _numbers(columns[name], points) for name in CURVES}
    rows = {name: _rows(columns[name], points) for name in ROWS}
    return tuple(
        AttackScores(
            frozen=Scores(curves["accuracy"][i], curves["nmi"][i], curves["ari"][i]),
            rematched=Scores(curves["rematched"][i], curves["nmi"][i], curves["ari"][i]),
            changed=curves["changed"][i],
            recall=rows["recall"][i],
            l2=rows["l2"][i],
            linf=rows["linf"][i],
        )
        for i in range(points)
    )


def _numbers(values: Any, count: int) -> tuple[float, ...]:
    """``count`` finite numbers; shares and scores lie in [-1, 1]."""
    numbers = tuple(_number(value) for value in _list(values, count))
    if not all(-1 <= number <= 1 for number in numbers):
        raise ValueError("a score lies outside [-1, 1]")
    return numbers


def _rows(values: Any, count: int) -> tuple[tuple[float, ...], ...]:
    """``count`` lists of numbers, null for one that is not known."""
    rows = [_list(row, None) for row in _list(values, count)]
    return tuple(tuple(math.nan if value is None else _number(value) for value in row) for row in rows)


def _list(values: Any, count: int | None) -> list[Any]:
    if not isinstance(values, list) or len(values) > LARGEST_ROW or count not in (None, len(values)):
        raise ValueError("not a list of that length")
    return values


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{value!r} is not a finite number")
    return float(value)
