"""Results of NCP-ACL's rows on the disk: read strictly, a damaged one is none."""

import math
from dataclasses import asdict, fields
from typing import Any

from core.neighbours.records import NeighbourResult, NeighbourSpec, Proof, key
from core.store import ResultStore

KIND = "neighbours"
NUMBERS = ("standard", "robust", "ensemble", "standard_by_ensemble", "epsilon", "seconds")
WORDS = ("device", "torch", "commit", "created")


def save(store: ResultStore, result: NeighbourResult, recipe: object, *, shipped: bool) -> None:
    """Keep a result beside the shipped ones, or in the user's cache. Raises :class:`LabError` if it cannot."""
    store.save_values(KIND, key(result.spec, recipe), asdict(result), shipped=shipped)


def load(store: ResultStore, spec: NeighbourSpec, recipe: object) -> NeighbourResult | None:
    """The kept result of exactly this training, None where there is none."""
    values = store.load_values(KIND, key(spec, recipe))
    if values is None:
        return None
    numbers: dict[str, Any]
    try:
        numbers = {name: _number(values[name]) for name in NUMBERS} | {name: str(values[name]) for name in WORDS}
        return NeighbourResult(
            spec=spec,
            n_used=int(values["n_used"]),
            training_samples=int(values["training_samples"]),
            grid=tuple(int(k) for k in values["grid"]),
            curve=tuple(_number(x) for x in values["curve"]),
            proof=tuple(
                Proof(**{field.name: _number(row[field.name]) for field in fields(Proof)}) for row in values["proof"]
            ),
            **numbers,
        )
    except (KeyError, TypeError, ValueError):
        return None


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{value!r} is not a finite number")
    return float(value)
