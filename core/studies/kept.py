"""Trials and transfers as plain JSON and back; a record that is damaged, or of something else, counts as absent."""

from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any

from core.records import Scores, digest
from core.store import ResultStore
from core.studies.records import (
    EpochScores,
    Provenance,
    TransferRecord,
    TransferSpec,
    TrialRecord,
    TrialSpec,
    plain,
)
from core.sweep_scores import columns, rows_of

TRIALS, TRANSFERS = "trials", "transfers"
VERSION = 1  # part of the keys: raise it when a training, an attack or a score changes
DAMAGED = (KeyError, TypeError, ValueError, AttributeError, OverflowError)


def save_trial(store: ResultStore, record: TrialRecord, *, shipped: bool = False) -> None:
    """Keep a trial in the user's cache, or beside the shipped ones. Raises :class:`LabError` if it cannot."""
    values = {
        **_trial_names(record.spec),
        "clean": columns([record.clean]),
        "states": {name: columns(rows) for name, rows in record.states.items()},
        "epochs": [asdict(row) for row in record.epochs],
        "provenance": asdict(record.provenance),
    }
    store.save_values(TRIALS, digest(_trial_names(record.spec)), values, shipped=shipped)


def load_trial(store: ResultStore, spec: TrialSpec) -> TrialRecord | None:
    """The trial of exactly that spec, or None where none is kept."""
    names = _trial_names(spec)
    values = store.load_values(TRIALS, digest(names))
    if values is None or any(values.get(name) != wanted for name, wanted in names.items()):
        return None
    try:
        (clean,) = rows_of(values["clean"], 1)
        states = {name: rows_of(values["states"][name], len(spec.epsilons)) for name in spec.states}
        epochs = tuple(map(_epoch, values["epochs"]))
        provenance = Provenance(**_only(values["provenance"], Provenance))
    except DAMAGED:
        return None
    return TrialRecord(spec=spec, clean=clean, states=states, epochs=epochs, provenance=provenance)


def save_transfer(
    store: ResultStore, record: TransferRecord, weights: Mapping[str, str], *, shipped: bool = False
) -> None:
    """Keep a transfer matrix; ``weights`` are the digests of every model's and attacker's weights."""
    names = _transfer_names(record.spec, weights)
    accuracy = [[record.accuracy[attacker, target] for target in record.targets] for attacker in record.attackers]
    values = {
        **names,
        "attackers": list(record.attackers),
        "targets": list(record.targets),
        "clean": [record.clean[target] for target in record.targets],
        "accuracy": accuracy,
    }
    store.save_values(TRANSFERS, digest(names), values, shipped=shipped)


def load_transfer(store: ResultStore, spec: TransferSpec, weights: Mapping[str, str]) -> TransferRecord | None:
    """The transfer matrix of exactly these weights, or None where none is kept."""
    names = _transfer_names(spec, weights)
    values = store.load_values(TRANSFERS, digest(names))
    if values is None or any(values.get(name) != wanted for name, wanted in names.items()):
        return None
    try:
        attackers, targets = tuple(values["attackers"]), tuple(values["targets"])
        accuracy = {
            (attacker, target): float(share)
            for attacker, row in zip(attackers, values["accuracy"], strict=True)
            for target, share in zip(targets, row, strict=True)
        }
        clean = {target: float(share) for target, share in zip(targets, values["clean"], strict=True)}
    except DAMAGED:
        return None
    return TransferRecord(spec=spec, attackers=attackers, targets=targets, clean=clean, accuracy=accuracy)


def _trial_names(spec: TrialSpec) -> dict[str, Any]:
    return {"spec": plain(spec), "version": VERSION}


def _transfer_names(spec: TransferSpec, weights: Mapping[str, str]) -> dict[str, Any]:
    return {"spec": plain(spec), "weights": dict(weights), "version": VERSION}


def _epoch(row: Mapping[str, Any]) -> EpochScores:
    scores = {state: Scores(**_only(values, Scores)) for state, values in row["scores"].items()}
    return EpochScores(epoch=int(row["epoch"]), phase=str(row["phase"]), scores=scores)


def _only(values: Mapping[str, Any], kind: type) -> dict[str, Any]:
    """The values of a record's fields. Raises KeyError where one is missing."""
    return {field.name: values[field.name] for field in fields(kind)}
