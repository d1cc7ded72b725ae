"""A sweep and its map as one buffer for the browser's stage, where ε is then scrubbed without asking us again."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.figures import selection as selections
from core.figures import theme, words
from core.figures.buffer import Arrays, join
from core.latent.results import result_of
from core.records import AttackScores, Floats, Frame, Integers, MapRecord, Subject, SweepReport, digest

MAX_SHOWN = 48  # samples in the picture strip
MIN_SHOWN = 6
PICTURE_BYTES = 3_000_000  # of all shown pictures; fewer samples are shown where pictures are large
THUMB_BYTES = 500_000  # of one clean picture of every sample, for the map's hover; left out above
MAP_LABELS = {
    "pca": "PCA of the hidden layer, fitted on clean samples",
    "umap": "UMAP of clean samples; attacked ones placed by nearest neighbours (approximate)",
}
COLUMNS = (  # of the table of scores: name, meaning
    ("ACC", "accuracy, matching frozen on the clean samples"),
    ("ACC re-matched", "accuracy with the matching found again on these samples"),
    ("NMI", "normalised mutual information; needs no matching"),
    ("ARI", "adjusted Rand index; needs no matching"),
    ("moved", "share of samples whose cluster is not the clean one"),
    ("‖δ‖∞", "largest change of any pixel, per view"),
    ("‖δ‖₂", "length of the change, mean over samples, per view"),
)

LATENT_COLUMNS = (
    *COLUMNS[:-2],
    ("D", "size of the perturbation in percent of the latent's, mean over its dimensions"),
    ("pictures", "squared change of the decoded picture, pixels summed, in percent of the autoencoder's own error"),
)
PIXEL_TRIPLE = ("clean", "perturbation", "adversarial")
LATENT_TRIPLE = ("with z", "change", "with z + δ")


def pack(
    report: SweepReport,
    map_record: MapRecord,
    *,
    view_names: Sequence[str],
    start: float | None = None,
    attacker: str = "",
    selection: str = "",
    shown: Integers | None = None,
) -> bytes:
    """The stage's buffer.

    ``start`` is the ε to open at, ``attacker`` says what the attacker was trained on, and the pictures that travel
    are first those of the ``selection`` (:mod:`core.figures.selection`); or exactly the rows ``shown``.
    """
    chosen = selections.chosen(report, selection, start)
    shown = shown_samples(report, chosen) if shown is None else shown
    attack = report.spec.attack
    pictures, picture_header = _pictures(report, shown)
    arrays = {**pictures, **_clusters(report), **_map(map_record)}
    header = {
        "id": f"{report.spec.digest[:16]}-{len(report.frames)}-{map_record.method}-{selection}",
        "subject": digest([attack.dataset, attack.model, attack.samples, attack.seed]),
        "file": f"{attack.dataset}-{attack.model}-{attack.attack}-seed{attack.seed}",
        "selection": selection,
        "picked": not chosen.all(),
        "total": report.spec.points,
        "epsilons": [round(e, 6) for e in report.spec.epsilons],
        "start": start,
        "attack": words.attack_name(attack.attack),
        "views": list(view_names),
        "attacked": list(attack.views or range(len(view_names))),
        "classes": list(report.subject.class_names),
        "clusters": cluster_names(report.subject),
        "heads": LATENT_COLUMNS if attack.norm == "gamma" else COLUMNS,
        "matched": report.subject.matching.tolist(),
        "columns": matched_columns(report.subject.matching, len(report.subject.class_names)),
        "shown": shown.tolist(),
        "index": report.subject.index.tolist(),
        "verdicts": [words.verdict(report, frame) for frame in report.frames],
        "table": [_table(report, frame) for frame in report.frames],
        "lines": _lines(report),
        "names": map_names(map_record),
        "map": _map_label(report, map_record),
        "protocol": words.protocol(report.spec, report.subject.card_digest, attacker),
        "command": words.command(report.spec),
        "symbol": words.symbol(attack),
        "triple": LATENT_TRIPLE if attack.norm == "gamma" else PIXEL_TRIPLE,
        "steps": attack.norm != "gamma",  # whether a sample can be watched under PGD
        "roles": theme.role_colors(),
        "palette": theme.cluster_palette(report.subject.matching.tolist()),
        "diverging": list(theme.DIVERGING),
        **picture_header,
    }
    return join(header, arrays)


def _map_label(report: SweepReport, map_record: MapRecord) -> str:
    label = MAP_LABELS.get(map_record.method, map_record.method)
    return label.replace("the hidden layer", "the latent") if report.spec.attack.norm == "gamma" else label


def shown_samples(report: SweepReport, chosen: NDArray[np.bool_] | None = None) -> Integers:
    """Rows of the samples whose pictures travel: the chosen ones (N,), then the first of the random draw.

    Those that move first stand in front. Samples that moved keep their place while a sweep grows, because later ones
    only join behind them.
    """
    values_each = sum(view[0].size for view in report.frames[0].views) * report.spec.points
    count = min(MAX_SHOWN, max(MIN_SHOWN, PICTURE_BYTES // values_each), len(report.subject.labels))
    order = np.arange(len(report.subject.labels)) if chosen is None else np.argsort(~chosen, kind="stable")
    drawn = np.sort(order[:count])
    shown: Integers = drawn[np.argsort(first_moves(report)[drawn], kind="stable")].astype(np.int64)
    return shown


def first_moves(report: SweepReport) -> Integers:
    """The first frame in which each sample's cluster differs from the clean one, (N,); ``points`` for never."""
    moved = np.stack([frame.clusters != report.frames[0].clusters for frame in report.frames])  # (F, N)
    return np.where(moved.any(axis=0), moved.argmax(axis=0), report.spec.points).astype(np.int64)


def cluster_names(subject: Subject) -> list[str]:
    """The label each cluster matches, short enough for a matrix: ∅ (∅1, ∅2 …) for a cluster without one."""
    without = [k for k, label in enumerate(subject.matching) if label < 0]
    signs = {k: f"∅{i}" if len(without) > 1 else "∅" for i, k in enumerate(without, start=1)}
    return [signs.get(k, name) for k, name in enumerate(subject.cluster_names)]


def matched_columns(matching: Integers, n_classes: int) -> list[int]:
    """The clusters in the order of the labels they match, so that a right diagonal is a good clustering.

    A cluster without a label stands where a label without a cluster left its place free, else at the end.
    """
    free = [k for k, label in enumerate(matching) if label < 0]
    of_label = {int(label): k for k, label in enumerate(matching) if label >= 0}
    columns = [of_label.get(label, free.pop(0) if label not in of_label and free else -1) for label in range(n_classes)]
    return [k for k in columns if k >= 0] + free


def _pictures(report: SweepReport, shown: Integers) -> tuple[Arrays, dict[str, Any]]:
    """Clean pictures (S, C, H, W) uint8 and perturbations (F - 1, S, C, H, W) int8 of each view.

    Perturbations have a scale of their own, because a small ε is lost between two of 256 grey values.
    """
    clean, later = report.frames[0].views, report.frames[1:]
    deltas = [
        np.stack([frame.views[v][shown] - clean[v][shown] for frame in later]) if later else np.zeros((0, 1))
        for v in range(len(clean))
    ]
    scale = max((float(np.abs(d).max(initial=0.0)) for d in deltas), default=0.0) / 127 or 1.0
    arrays: Arrays = {}
    for v, view in enumerate(clean):
        arrays[f"clean{v}"] = bytes_of(view[shown])
        arrays[f"delta{v}"] = np.rint(deltas[v] / scale).astype(np.int8)
    if clean[0].size <= THUMB_BYTES:
        arrays["thumbs"] = bytes_of(clean[0])
    header = {
        "shapes": [list(view.shape[1:]) for view in clean],
        "deltaScale": scale,
        "reach": [_reach(report, frame) for frame in report.frames],
    }
    return arrays, header


def _reach(report: SweepReport, frame: Frame) -> float:
    """Where the perturbation's colour scale ends: ε where ε limits every pixel, else the largest change."""
    return frame.epsilon if report.spec.attack.norm == "linf" else max(frame.scores.linf)


def bytes_of(pictures: NDArray[Any]) -> NDArray[np.uint8]:
    """Numbers in [0, 1] as bytes, of the same shape."""
    scaled: NDArray[np.uint8] = np.rint(np.clip(pictures, 0, 1) * 255).astype(np.uint8)
    return scaled


def _clusters(report: SweepReport) -> Arrays:
    shape = len(report.subject.class_names), report.subject.n_clusters
    counts = np.zeros((len(report.frames), *shape), dtype=np.uint16)
    for f, frame in enumerate(report.frames):
        np.add.at(counts[f], (report.subject.labels, frame.clusters), 1)
    return {
        "counts": counts,  # (F, L, K)
        "labels": report.subject.labels.astype(np.uint8),
        "assigned": np.stack([frame.clusters for frame in report.frames]).astype(np.uint8),  # (F, N)
        "confidence": np.stack([bytes_of(frame.confidence) for frame in report.frames]),  # (F, N)
    }


def _map(record: MapRecord) -> Arrays:
    """Coordinates (F, N, 2) and (M, 2), as shares of the box that holds them all in uint16."""
    return {"points": map_shares(record, record.points), "reference": map_shares(record, record.reference)}


def map_shares(record: MapRecord, points: Floats) -> NDArray[np.uint16]:
    """Coordinates (..., 2) as shares of the box that holds the whole map."""
    everything = np.concatenate([record.points.reshape(-1, 2), record.reference])
    low = everything.min(axis=0)
    span = np.maximum(everything.max(axis=0) - low, 1e-9)
    shares: NDArray[np.uint16] = np.rint((points - low) / span * 65535).astype(np.uint16)
    return shares


def map_names(record: MapRecord) -> list[list[int]]:
    """Where each cluster's name stands, [cluster, x, y]: the median of its clean context."""
    clusters = record.reference_clusters
    places = {int(k): np.median(record.reference[clusters == k], axis=0) for k in np.unique(clusters)}
    return [[k, *map_shares(record, place).tolist()] for k, place in places.items()]


def _table(report: SweepReport, frame: Frame) -> list[dict[str, Any]]:
    """The rows of numbers at one ε: clean, the attack, its controls."""
    attack = report.spec.attack.attack
    rows = [_row("clean", "Clean", report.frames[0].scores, _sizes(report, report.frames[0]))]
    if frame is not report.frames[0]:
        sizes = _sizes(report, frame)
        rows.append(_row("attack", words.attack_name(attack), frame.scores, sizes))
        rows += [
            _row(name, f"Control: {words.attack_name(name).lower()}", scores, sizes and ("as long", ""))
            for name, scores in frame.controls.items()
            if name != attack
        ]
    return rows


def _row(role: str, name: str, scores: AttackScores, sizes: Sequence[str] | None = None) -> dict[str, Any]:
    numbers = [scores.frozen.accuracy, scores.rematched.accuracy, scores.frozen.nmi, scores.frozen.ari]
    cells = [*(f"{number:.3f}" for number in numbers), f"{scores.changed:.0%}"]
    if sizes is None:
        sizes = (" / ".join(f"{value:.3f}" for value in scores.linf), " / ".join(f"{value:.2f}" for value in scores.l2))
    return {"role": role, "name": name, "cells": [*cells, *sizes]}


def _sizes(report: SweepReport, frame: Frame) -> tuple[str, ...] | None:
    """How far latents and decoded pictures have moved; None for attacks on pixels."""
    if report.spec.attack.norm != "gamma":
        return None
    if frame is report.frames[0]:
        return "0 %", "0 %"
    result = result_of(report, frame.epsilon, "")
    return f"{result.relative_shift:.1f} %", f"{result.moved / max(result.error, 1e-9):.0%}"


def _lines(report: SweepReport) -> list[dict[str, Any]]:
    """Scores over ε for the small curve: the attack, ACC with both matchings, and each control."""
    attack, frames = report.spec.attack.attack, report.frames
    rematched = {"ACC": [frame.scores.rematched.accuracy for frame in frames]}
    lines = [
        {"role": "attack", "name": "frozen", "values": measured([frame.scores for frame in frames])},
        {"role": "rematched", "name": "re-matched", "values": rematched},
    ]
    for name in frames[0].controls:
        if name != attack:
            values = measured([frame.controls[name] for frame in frames])
            lines.append({"role": name, "name": words.attack_name(name), "values": values})
    return lines


def measured(scores: Sequence[AttackScores]) -> dict[str, list[float]]:
    """Each score along ε, by the name the curves show it under."""
    return {
        "ACC": [s.frozen.accuracy for s in scores],
        "NMI": [s.frozen.nmi for s in scores],
        "ARI": [s.frozen.ari for s in scores],
        "moved": [s.changed for s in scores],
    }
