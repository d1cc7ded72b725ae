"""A few samples under several attacks at once, one row an attack, as a buffer for the browser's glimpse."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.errors import LabError
from core.figures import theme, words
from core.figures.buffer import Arrays, join
from core.figures.stage import bytes_of, cluster_names
from core.records import Floats, Subject, SweepReport


def pack(
    reports: Sequence[SweepReport], *, subject: Subject, view_names: Sequence[str], start: float | None = None
) -> bytes:
    """The buffer of finished sweeps of the same samples of one model on the same ε.

    ``subject`` names the clusters: of more samples of the same model, since a handful does not match them all.
    Perturbations are int8 on a scale of each sweep. Raises :class:`LabError` for sweeps that do not belong together.
    """
    first = reports[0]
    same = all(
        np.array_equal(report.subject.index, first.subject.index)
        and report.subject.card_digest == subject.card_digest
        and report.spec.epsilons == first.spec.epsilons
        and report.finished
        for report in reports
    )
    if not same:
        raise LabError("A glimpse compares finished sweeps of the same samples, model and ε.")
    header = {
        "id": "-".join(report.spec.digest[:12] for report in reports),
        "epsilons": [round(epsilon, 6) for epsilon in first.spec.epsilons],
        "start": start,
        "views": list(view_names),
        "classes": list(first.subject.class_names),
        "clusters": cluster_names(subject),
        "index": first.subject.index.tolist(),
        "shown": list(range(len(first.subject.labels))),
        "shapes": [list(view.shape[1:]) for view in first.frames[0].views],
        "rows": [words.attack_name(report.spec.attack.attack) for report in reports],
        "verdicts": [verdict(reports, f) for f in range(len(first.frames))],
        "roles": theme.role_colors(),
        "diverging": list(theme.DIVERGING),
    }
    arrays: Arrays = {"labels": first.subject.labels.astype(np.uint8)}
    for v, view in enumerate(first.frames[0].views):
        arrays[f"clean{v}"] = bytes_of(view)
    scales = []
    for r, report in enumerate(reports):
        scale, deltas = _deltas(report)
        scales.append(scale)
        arrays |= {f"delta{r}_{v}": delta for v, delta in enumerate(deltas)}
        arrays[f"assigned{r}"] = np.stack([frame.clusters for frame in report.frames]).astype(np.uint8)  # (F, N)
    return join({**header, "scales": scales}, arrays)


def verdict(reports: Sequence[SweepReport], frame: int) -> str:
    """How many samples each attack has moved at the frame's ε, in a sentence."""
    samples = len(reports[0].subject.labels)
    epsilon = reports[0].frames[frame].epsilon
    if epsilon == 0:
        return f"At ε = 0 nothing is changed: {samples} held-out samples and their clusters."
    moved = [int((report.frames[frame].clusters != report.frames[0].clusters).sum()) for report in reports]
    names = [words.attack_name(report.spec.attack.attack) for report in reports]
    parts = [f"{_inside(name)} moved {count}" for name, count in zip(names, moved, strict=True)]
    return f"At ε = {words.epsilon_text(epsilon)}, of {samples} samples {', '.join(parts)} to another cluster."


def _inside(name: str) -> str:
    """An attack's name inside a sentence: abbreviations stay."""
    return name if name.isupper() else name.lower()


def _deltas(report: SweepReport) -> tuple[float, list[NDArray[Any]]]:
    """The scale of one int8 step, and each view's perturbations (F - 1, N, C, H, W)."""
    clean = report.frames[0].views
    moved: list[Floats] = [
        np.stack([frame.views[v] - clean[v] for frame in report.frames[1:]]) for v in range(len(clean))
    ]
    scale = max(float(np.abs(delta).max()) for delta in moved) / 127 or 1.0
    return scale, [np.rint(delta / scale).astype(np.int8) for delta in moved]
