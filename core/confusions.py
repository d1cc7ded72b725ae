"""Confusion matrices of finished sweeps, kept beside their numbers: labels by clusters at every ε.

They follow from the spec, the attacked weights and, for a trained attack, the attacker's weights.
"""

import numpy as np

from core.errors import LabError
from core.metrics import confusion
from core.records import ConfusionRecord, SweepReport, SweepSpec, digest
from core.store import ResultStore

KIND = "confusions"
VERSION = 1  # part of the key: raise it when an attack changes


def confusions_of(report: SweepReport) -> ConfusionRecord:
    """The matrices of a report. Raises :class:`LabError` if it is not finished."""
    if not report.finished:
        raise LabError("Only a finished sweep is kept; this one has not reached its largest ε.")
    subject = report.subject
    counts = [
        confusion(subject.labels, frame.clusters, n_labels=len(subject.class_names), n_clusters=subject.n_clusters)
        for frame in report.frames
    ]
    return ConfusionRecord(
        spec=report.spec, counts=np.stack(counts), matching=subject.matching, card_digest=subject.card_digest
    )


def save(store: ResultStore, record: ConfusionRecord, attacker_digest: str | None, *, shipped: bool = False) -> None:
    """Keep the matrices in the user's cache, or beside the shipped ones. Raises :class:`LabError` if it cannot."""
    key = _key(record.spec, record.card_digest, attacker_digest)
    store.save(KIND, key, {"counts": record.counts.astype(np.int32), "matching": record.matching}, shipped=shipped)


def load(
    store: ResultStore,
    spec: SweepSpec,
    card_digest: str,
    attacker_digest: str | None = None,
    *,
    shipped_only: bool = False,
) -> ConfusionRecord | None:
    """The matrices of that sweep on exactly these weights, or None where none are kept."""
    arrays = store.load(KIND, _key(spec, card_digest, attacker_digest), shipped_only=shipped_only)
    if arrays is None or not {"counts", "matching"} <= set(arrays):
        return None
    counts, matching = arrays["counts"], arrays["matching"]
    shapes_fit = counts.ndim == 3 and counts.shape[0] == spec.points and matching.shape == counts.shape[2:]
    if not shapes_fit or counts.dtype.kind != "i" or matching.dtype.kind != "i" or counts.min(initial=0) < 0:
        return None
    if not (counts.sum(axis=(1, 2)) == spec.attack.samples).all() or not _is_matching(matching, counts.shape[1]):
        return None
    return ConfusionRecord(
        spec=spec, counts=counts.astype(np.int64), matching=matching.astype(np.int64), card_digest=card_digest
    )


def _is_matching(matching: np.ndarray, labels: int) -> bool:
    return bool(((matching >= -1) & (matching < labels)).all())


def _key(spec: SweepSpec, card_digest: str, attacker_digest: str | None) -> str:
    return digest({"sweep": spec.digest, "weights": card_digest, "attacker": attacker_digest, "version": VERSION})
