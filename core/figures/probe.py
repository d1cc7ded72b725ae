"""One's own samples, what a model says of them and what is near, as one buffer for the browser, where ε is scrubbed."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from core.figures import theme, words
from core.figures.buffer import Arrays, join
from core.figures.stage import (
    MAP_LABELS,
    THUMB_BYTES,
    bytes_of,
    cluster_names,
    map_names,
    map_shares,
    matched_columns,
)
from core.own.records import ProbeFrame, ProbeReport, Reference, seen
from core.records import Floats, Integers, MapRecord, Subject

NO_LABEL = "none (yours)"


def pack(
    report: ProbeReport,
    map_record: MapRecord,
    *,
    view_names: Sequence[str],
    names: Sequence[str],
    identity: str,
    attacker: str = "",
) -> bytes:
    """The buffer of the component "probe". ``identity`` names these samples; ``names`` (N,) are safe to show."""
    reference, spec = report.reference, report.spec
    shown = _shown(report)
    rows = _rows_around(report, shown)
    pictures, picture_header = _pictures(report, shown)
    arrays: Arrays = {
        **pictures,
        **_around(reference, rows),
        "near": np.searchsorted(rows, np.stack([f.neighbours[:shown] for f in report.frames])).astype(np.uint16),
        "probs": np.rint(np.stack([f.probs for f in report.frames]) * 65535).astype(np.uint16),  # (F, N, K)
        "assigned": np.stack([f.clusters for f in report.frames]).astype(np.uint8),  # (F, N)
        "confidence": np.stack([bytes_of(f.confidence) for f in report.frames]),  # (F, N)
        "labels": np.zeros(spec.attack.samples, dtype=np.uint8),
        "points": map_shares(map_record, map_record.points),
        "reference": map_shares(map_record, map_record.reference),
    }
    header = {
        **_common(reference, view_names),
        **_around_header(reference, rows),
        **picture_header,
        "id": f"{identity}-{spec.digest[:16]}-{len(report.frames)}",
        "identity": identity,
        "total": spec.points,
        "epsilons": [round(e, 6) for e in spec.epsilons],
        "attack": words.attack_name(spec.attack.attack),
        "attacked": list(spec.attack.views or range(len(view_names))),
        "classes": [NO_LABEL],
        "yours": list(names),
        "shown": list(range(shown)),
        "index": list(range(1, spec.attack.samples + 1)),
        "verdicts": [[verdict(report, f, sample, names) for sample in range(shown)] for f in range(len(report.frames))],
        "far": [np.round(f.distances[:shown].astype(float), 3).tolist() for f in report.frames],
        "names": map_names(map_record),
        "map": MAP_LABELS[map_record.method],
        "protocol": protocol(report, attacker),
    }
    return join(header, arrays)


def pack_clusters(reference: Reference, view_names: Sequence[str]) -> bytes:
    """The buffer of the component "probe" while there is nothing to probe: what the model's clusters look like."""
    rows = _unique(reference.typical)
    header = {**_common(reference, view_names), **_around_header(reference, rows), "id": "clusters", "verdicts": []}
    return join({**header, "shown": []}, {**_around(reference, rows), "labels": np.zeros(0, dtype=np.uint8)})


def verdict(report: ProbeReport, number: int, sample: int, names: Sequence[str]) -> str:
    """What the model says of one sample in a frame, and of all of them."""
    frame, clean = report.frames[number], report.frames[0]
    clusters = cluster_names(_subject(report.reference))
    home, now = clusters[clean.clusters[sample]], clusters[frame.clusters[sample]]
    sure = f"confidence {_confidence(frame.confidence[sample])}"
    who = "It" if len(names) == 1 else names[sample]
    if number == 0:
        return f"{who} falls into cluster {home} with {sure}."
    attack = words.attack_name(report.spec.attack.attack)
    start = f"At ε = {words.epsilon_text(frame.epsilon)}, {attack} "
    done = f"leaves it in cluster {home}" if home == now else f"moves it from cluster {home} to {now}"
    done = done if len(names) == 1 else done.replace(" it ", f" {who} ", 1)
    return f"{start}{done} ({sure}).{_controls(report, frame, sample, clusters)}{_all(report, frame)}"


def _confidence(value: float) -> str:
    return "above 0.99" if value >= 0.995 else f"{value:.2f}"


def protocol(report: ProbeReport, attacker: str = "") -> str:
    """Everything the numbers depend on, on one line."""
    spec, reference = report.spec, report.reference
    count = spec.attack.samples
    parts = [
        f"{count} sample{'s'[: count != 1]} of your own, not from the data set",
        *(words.attack_parts(spec.attack, attacker) if len(report.frames) > 1 else []),
        _reference_text(reference),
        f"weights {report.card_digest[:8]}",
    ]
    return " · ".join(parts)


def _reference_text(reference: Reference) -> str:
    count = len(reference.labels)
    of = f"all {count:,} held-out samples" if count == reference.held_out else f"the first {count:,} held-out samples"
    return f"clusters named after the labels they match, neighbours found, on {of}; distances in the hidden layer"


def _controls(report: ProbeReport, frame: ProbeFrame, sample: int, clusters: Sequence[str]) -> str:
    home = report.frames[0].clusters[sample]
    parts = []
    for name, reached in frame.controls.items():
        if name != report.spec.attack.attack:
            there = "stays" if reached[sample] == home else f"goes to {clusters[reached[sample]]}"
            parts.append(f"under {words.attack_name(name).lower()} it {there}")
    return f" Controls of the same size: {', '.join(parts)}." if parts else ""


def _all(report: ProbeReport, frame: ProbeFrame) -> str:
    count = len(frame.probs)
    if count == 1:
        return ""
    home = report.frames[0].clusters
    others = [
        f"{words.attack_name(name).lower()} {int((reached != home).sum())}"
        for name, reached in frame.controls.items()
        if name != report.spec.attack.attack
    ]
    controls = f" ({', '.join(others)})" if others else ""
    return f" Of all {count}, {int((frame.clusters != home).sum())} left their clean cluster{controls}."


def _common(reference: Reference, view_names: Sequence[str]) -> dict[str, Any]:
    return {
        "views": list(view_names),
        "clusters": cluster_names(_subject(reference)),
        "columns": matched_columns(reference.matching, len(reference.class_names)),
        "shapes": [list(view.shape[1:]) for view in reference.views],
        "about": _reference_text(reference),
        "roles": theme.role_colors(),
        "palette": theme.cluster_palette(reference.matching.tolist()),
        "diverging": list(theme.DIVERGING),
    }


def _subject(reference: Reference) -> Subject:
    return Subject(
        index=reference.index,
        labels=reference.labels,
        class_names=reference.class_names,
        n_clusters=len(reference.matching),
        matching=reference.matching,
        card_digest="",
    )


def _shown(report: ProbeReport) -> int:
    """How many samples' pictures travel: the first."""
    values_each = sum(view[0].size for view in report.frames[0].views)
    return min(report.spec.attack.samples, seen(values_each, report.spec.points))


def _rows_around(report: ProbeReport, shown: int) -> Integers:
    """The reference samples that are seen: neighbours of the shown, and what stands for the clusters they are in."""
    visited = np.unique(np.concatenate([frame.clusters[:shown] for frame in report.frames]))
    return _unique(report.reference.typical[visited], *(frame.neighbours[:shown] for frame in report.frames))


def _unique(*rows: Integers) -> Integers:
    every = np.unique(np.concatenate([part.reshape(-1) for part in rows]))
    found: Integers = every[every >= 0]
    return found


def _around(reference: Reference, rows: Integers) -> Arrays:
    """Pictures of reference samples (R, C, H, W), a view each."""
    return {f"around{v}": bytes_of(view[rows]) for v, view in enumerate(reference.views)}


def _around_header(reference: Reference, rows: Integers) -> dict[str, Any]:
    place = {int(row): at for at, row in enumerate(rows)}
    return {
        "aroundIndex": reference.index[rows].tolist(),
        "aroundLabel": [reference.class_names[label] for label in reference.labels[rows]],
        "aroundCluster": reference.clusters[rows].tolist(),
        "typical": [_places(cluster, place) for cluster in reference.typical],
    }


def _places(rows: Iterable[int], place: dict[int, int]) -> list[int]:
    return [place[int(row)] for row in rows if int(row) in place]


def _pictures(report: ProbeReport, shown: int) -> tuple[Arrays, dict[str, Any]]:
    """Clean pictures (S, C, H, W) uint8 and perturbations (F - 1, S, C, H, W) int8, as the stage has them."""
    clean: list[Floats] = [view[:shown] for view in report.frames[0].views]
    later = report.frames[1:]
    deltas = [
        np.stack([frame.views[v][:shown] - view for frame in later]) if later else np.zeros((0, 1))
        for v, view in enumerate(clean)
    ]
    scale = max((float(np.abs(d).max(initial=0.0)) for d in deltas), default=0.0) / 127 or 1.0
    arrays: Arrays = {f"clean{v}": bytes_of(view) for v, view in enumerate(clean)}
    arrays |= {f"delta{v}": np.rint(d / scale).astype(np.int8) for v, d in enumerate(deltas)}
    first = report.frames[0].views[0]
    if first.size <= THUMB_BYTES:
        arrays["thumbs"] = bytes_of(first)
    return arrays, {"deltaScale": scale, "reach": [frame.epsilon for frame in report.frames]}
