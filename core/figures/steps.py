"""A trace, PGD followed step by step, as one buffer for the browser, as a table, and in words."""

import csv
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.figures import stage, theme, words
from core.figures.buffer import Arrays, join
from core.figures.sheet import Pictures
from core.figures.sheet_files import animate
from core.records import Floats, MapRecord, SweepReport
from core.trace_records import CLEAN, START, TraceFrame, TraceReport

PICTURE_BYTES = 8_000_000  # of all pictures that travel; with more, only every second, third … iteration is shown
DIGITS = 5  # of numbers for a chart
GIF_FRAMES = 40
ROWS = 12  # clusters with a bar of their own; the rest is one bar


def pack(
    report: TraceReport,
    map_record: MapRecord,
    *,
    view_names: Sequence[str],
    start: int | None = None,
    rules: str = "",
) -> bytes:
    """The buffer of the component "steps". ``start`` is the iteration to open at, None for where it crosses.

    ``rules`` stand for the trace's own :func:`protocol`, where it is none of PGD on a model's clusters.
    """
    pictured = pictured_frames(report)
    spec, subject = report.spec, report.subject
    arrays, pictures = _pictures(report, pictured)
    header = {
        "id": f"{spec.digest[:16]}-{len(report.frames)}-{map_record.method}",
        "file": f"{spec.dataset}-{spec.model}-pgd-sample{'-'.join(map(str, spec.samples))}",
        "total": report.total,
        "iterations": list(report.iterations),
        "start": report.crossings[0] if start is None else start,
        "epsilon": spec.epsilon,
        "norm": {"linf": "L∞", "l2": "L2"}[spec.norm],
        "views": list(view_names),
        "attacked": list(spec.views or range(len(view_names))),
        "classes": list(subject.class_names),
        "clusters": stage.cluster_names(subject),
        "bars": _bars(report),
        "columns": stage.matched_columns(subject.matching, len(subject.class_names)),
        "index": subject.index.tolist(),
        "shown": list(range(len(subject.index))),
        "crossings": list(report.crossings),
        "verdicts": [[verdict(report, f, s) for s in range(len(subject.index))] for f in range(len(report.frames))],
        "objective": words.objective_name(spec.objective),
        "lines": _lines(report),
        "rivals": report.rivals.tolist(),
        "names": stage.map_names(map_record),
        "map": stage.MAP_LABELS.get(map_record.method, map_record.method),
        "protocol": rules or protocol(report),
        "roles": theme.role_colors(),
        "palette": theme.cluster_palette(subject.matching.tolist()),
        "diverging": list(theme.DIVERGING),
        **pictures,
    }
    arrays |= {
        "labels": subject.labels.astype(np.uint8),
        "assigned": report.clusters.astype(np.uint8),  # (F, S)
        "probs": np.stack([_shares(frame.probs) for frame in report.frames]),  # (F, S, K)
        "points": stage.map_shares(map_record, map_record.points),  # (F, S, 2)
        "reference": stage.map_shares(map_record, map_record.reference),  # (M, 2)
        "belongs": map_record.reference_clusters.astype(np.uint8),  # (M,)
    }
    return join(header, arrays)


def pack_choice(report: SweepReport, chosen: Sequence[int]) -> bytes:
    """The buffer of the component "strip": the first view of a sweep's clean samples, places of the chosen ones."""
    subject, view = report.subject, report.frames[0].views[0]
    header = {
        "id": report.spec.digest[:16],
        "index": subject.index.tolist(),
        "chosen": list(chosen),
        "names": [f"label {subject.class_names[label]}" for label in subject.labels],
        "shapes": [list(view.shape[1:])],
        "shown": [],
        "verdicts": [],
    }
    return join(header, {"thumbs": stage.bytes_of(view), "labels": subject.labels.astype(np.uint8)})


def pictured_frames(report: TraceReport) -> list[int]:
    """The frames whose pictures travel: all, or evenly spaced ones from the first to the last of the whole trace."""
    first = report.frames[0].views
    most = max(3, PICTURE_BYTES // sum(view.size for view in first))
    stride = -(-(report.total - 1) // (most - 1))
    frames = {0, 1, *range(1, report.total, stride), report.total - 1}
    return sorted(f for f in frames if f < len(report.frames))


def verdict(report: TraceReport, f: int, s: int) -> str:
    """What has happened to sample ``s`` by frame ``f``, in a sentence or two."""
    names = stage.cluster_names(report.subject)
    home, now = (int(report.clusters[i, s]) for i in (0, f))
    frame, iteration = report.frames[f], report.iterations[f]
    margin = f"margin {_signed(float(report.margins[f, s]))}"
    if iteration == CLEAN:
        label = report.subject.class_names[report.subject.labels[s]]
        rival = int(report.rivals[0, s])
        return (
            f"Unchanged, sample {report.subject.index[s]} (label {label}) is in cluster {names[home]} with probability "
            f"{frame.probs[s, home]:.2f}; next is {names[rival]} with {frame.probs[s, rival]:.2f}. "
            f"{_outlook(report, s)}"
        )
    if iteration == START:
        what = f"leaves sample {report.subject.index[s]} in cluster {names[home]}"
        if now != home:
            what = f"already puts sample {report.subject.index[s]} into cluster {names[now]}"
        return f"The random start {what}; {margin}. {_moved_by(report, frame, s)}"
    lead = f"At iteration {iteration} of {report.spec.steps} sample {report.subject.index[s]} "
    before = int(report.clusters[f - 1, s])
    if now == before:
        kept = "is still in its clean cluster" if now == home else "is in cluster"
        what = f"{kept} {names[now]}"
        if now != home:
            what += f", away from {names[home]} since iteration {_since(report, f, s)}"
    elif now == home:
        what = f"comes back to its clean cluster {names[home]}"
    else:
        what = f"leaves cluster {names[before]} for {names[now]}"
    return f"{lead}{what}; {margin}. {_moved_by(report, frame, s)}"


def protocol(report: TraceReport) -> str:
    """Everything the numbers of a trace depend on, on one line."""
    spec = report.spec
    views = "all views" if spec.views is None else f"view {', '.join(str(v + 1) for v in spec.views)} only"
    norm = {"linf": "L∞", "l2": "L2"}[spec.norm]
    return " · ".join(
        [
            f"PGD on {views} of {'each' if len(spec.samples) > 1 else 'this'} held-out sample alone",
            f"{norm} budget ε ≤ {words.epsilon_text(spec.epsilon)}, pixels 0 to 1",
            f"{spec.steps} steps of {report.step_size:.3g}",
            f"objective {words.objective_label(spec.objective)}",
            f"random start of seed {spec.seed}",
            "target in evaluation mode",
            "clusters named by the matching found on clean held-out samples",
            f"weights {report.subject.card_digest[:8]}",
        ]
    )


def trace_csv(report: TraceReport, rules: str = "") -> str:
    """A row each sample and iteration (-1 is clean, 0 the random start); the first line says under which protocol."""
    out = io.StringIO()
    out.write(f"# {rules or protocol(report)}\n")
    views, names = range(len(report.frames[0].views)), report.subject.cluster_names
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(
        [
            *("sample", "label", "iteration", "cluster", "cluster_name", "objective", "margin", "log_margin"),
            *(f"linf_view{v + 1}" for v in views),
            *(f"l2_view{v + 1}" for v in views),
            *(f"p_cluster{k}" for k in range(report.subject.n_clusters)),
        ]
    )
    margins, logs, clusters = report.margins, report.log_margins, report.clusters
    for s, place in enumerate(report.subject.index):
        label = report.subject.class_names[report.subject.labels[s]]
        for f, frame in enumerate(report.frames):
            numbers = [frame.objective[s], margins[f, s], logs[f, s], *frame.linf[:, s], *frame.l2[:, s]]
            cluster = int(clusters[f, s])
            state = [place, label, report.iterations[f], cluster, names[cluster]]
            writer.writerow([*state, *(f"{number:.6g}" for number in [*numbers, *frame.probs[s]])])
    return out.getvalue()


def animation(report: TraceReport, view_names: Sequence[str], rules: str = "") -> bytes:
    """A GIF of the samples from clean to the last iteration, at most 40 frames, on one colour scale."""
    stride = -(-len(report.frames) // GIF_FRAMES)
    names = np.array(stage.cluster_names(report.subject))
    clean, home = report.frames[0].views, report.clusters[0]
    moments = []
    for f in sorted({*range(0, len(report.frames), stride), len(report.frames) - 1}):
        now = report.clusters[f]
        pictures = Pictures(
            clean=clean,
            adversarial=report.frames[f].views,
            before=tuple(names[home]),
            after=tuple(names[now]),
            moved=tuple((now != home).tolist()),
            reach=_reach(report),
            view_names=tuple(view_names),
        )
        moments.append((pictures, _moment(report, f), f / max(1, len(report.frames) - 1)))
    which = ", ".join(map(str, report.spec.samples))
    title = f"Sample{'s'[: len(report.spec.samples) != 1]} {which}: {words.model_name(report.spec.model)} under PGD"
    return animate(moments, title=title, footer=rules or protocol(report))


def _moment(report: TraceReport, f: int) -> str:
    iteration = report.iterations[f]
    where = {CLEAN: "clean", START: "random start"}.get(iteration, f"iteration {iteration} of {report.spec.steps}")
    crossed = [c for c in report.crossings if c is not None and c <= iteration]
    return f"{where} · {len(crossed)} of {len(report.crossings)} crossed" if len(report.crossings) > 1 else where


def _reach(report: TraceReport) -> float:
    """Where the perturbation's colours end: ε where ε limits every pixel, else the largest change of the last frame."""
    return report.spec.epsilon if report.spec.norm == "linf" else float(report.frames[-1].linf.max()) or 1.0


def _since(report: TraceReport, f: int, s: int) -> int:
    """The iteration since which a sample that is away at frame ``f`` has been away."""
    away = report.clusters[: f + 1, s] != report.clusters[0, s]
    return report.iterations[int(np.flatnonzero(~away)[-1]) + 1]


def _outlook(report: TraceReport, s: int) -> str:
    crossing = report.crossings[s]
    if crossing is not None:
        return "The random start already takes it away." if crossing == START else f"PGD crosses at {crossing}."
    if len(report.frames) < report.total:
        return "PGD is on its way."
    return f"PGD does not move it to another cluster within {report.spec.steps} steps."


def _moved_by(report: TraceReport, frame: TraceFrame, s: int) -> str:
    attacked = list(report.spec.views or range(len(frame.views)))
    largest = max(float(frame.linf[v, s]) for v in attacked)
    length = float(np.sqrt((frame.l2[attacked, s] ** 2).sum()))
    return f"No pixel has changed by more than {largest:.2f}; ‖δ‖₂ is {length:.1f}."


def _signed(number: float) -> str:
    return f"{number:+.2f}".replace("-", "−")


def _lines(report: TraceReport) -> dict[str, Any]:
    """Numbers for the charts, [frame][sample], those of the perturbation [view][frame][sample]."""
    clean, rivals = report.clusters[:1, :, None], report.rivals[:, :, None]
    probs = np.stack([frame.probs for frame in report.frames])
    return {
        "objective": _rounded(np.stack([frame.objective for frame in report.frames])),
        "margin": _rounded(report.log_margins),
        "kept": _rounded(np.take_along_axis(probs, clean, axis=2)[..., 0]),
        "rival": _rounded(np.take_along_axis(probs, rivals, axis=2)[..., 0]),
        "linf": _rounded(np.stack([frame.linf for frame in report.frames], axis=1)),
        "l2": _rounded(np.stack([frame.l2 for frame in report.frames], axis=1)),
    }


def _rounded(numbers: NDArray[Any]) -> Any:
    return [_rounded(row) for row in numbers] if numbers.ndim > 1 else [float(f"{x:.{DIGITS}g}") for x in numbers]


def _bars(report: TraceReport) -> list[int]:
    """The clusters that get a bar: those that are ever most probable, in the order of the labels they match."""
    columns = stage.matched_columns(report.subject.matching, len(report.subject.class_names))
    peak = np.max([frame.probs.max(axis=0) for frame in report.frames], axis=0)
    most = set(np.argsort(-peak, kind="stable")[:ROWS].tolist())
    return [k for k in columns if k in most]


def _shares(probs: Floats) -> NDArray[np.uint16]:
    shares: NDArray[np.uint16] = np.rint(np.clip(probs, 0, 1) * 65535).astype(np.uint16)
    return shares


def _pictures(report: TraceReport, pictured: list[int]) -> tuple[Arrays, dict[str, Any]]:
    """Clean pictures (S, C, H, W) uint8 and the perturbations (P - 1, S, C, H, W) int8 of each view."""
    clean = report.frames[0].views
    later = [report.frames[f] for f in pictured[1:]]
    deltas = [
        np.stack([frame.views[v] - clean[v] for frame in later]) if later else np.zeros((0, 1))
        for v in range(len(clean))
    ]
    largest = max((float(np.abs(delta).max(initial=0.0)) for delta in deltas), default=0.0)
    scale = largest / 127 or 1.0
    arrays: Arrays = {}
    for v, view in enumerate(clean):
        arrays[f"clean{v}"] = stage.bytes_of(view)
        arrays[f"delta{v}"] = np.rint(deltas[v] / scale).astype(np.int8)
    header = {
        "shapes": [list(view.shape[1:]) for view in clean],
        "deltaScale": scale,
        "reach": _reach(report),
        "pictured": pictured,
    }
    return arrays, header
