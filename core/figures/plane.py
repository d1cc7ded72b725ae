"""Trainings in the plane as one buffer for the browser, which draws regions, radii and the worst change itself."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from core.certify.results import PlaneReport
from core.figures import theme
from core.figures.buffer import Arrays, join

TITLES = {"magnet": "Magnet loss from new weights", "clustr": "ClusTR: from a warm start"}
PHASES = {"new weights": "New weights", "warm start": "Warm start (cross-entropy)", "magnet": "Magnet loss"}
FRAMES = 26  # of a whole training, about


def pack(reports: Sequence[PlaneReport], point: tuple[float, float], sentence: str) -> bytes:
    """The buffer of the component "plane": trainings on the same points, and where the point to drag starts."""
    first = reports[0]
    arrays: Arrays = {"points": first.points.astype(np.float32), "labels": first.labels.astype(np.uint8)}
    runs: list[dict[str, Any]] = []
    for i, report in enumerate(reports):
        for name in ("weights", "centres", "distances"):
            arrays[f"{name}{i}"] = np.stack([getattr(f, name) for f in report.frames]).astype(np.float32)
        runs.append(
            {
                "model": report.spec.model,
                "title": TITLES[report.spec.model],
                "total": len(report.frames) if report.finished else max(FRAMES, len(report.frames)),
                "phases": [PHASES.get(f.phase, f.phase) for f in report.frames],
                "epochs": [f.epoch for f in report.frames],
                "accuracy": [f.accuracy for f in report.frames],
                "steepest": [max(f.steepest, 1e-9) for f in report.frames],
                "bounds": [f.bound for f in report.frames],
            }
        )
    ready = [len(report.frames) for report in reports]
    total = max(run["total"] for run in runs)
    whole = all(report.finished for report in reports)
    identity = f"{first.spec.dataset}-{first.spec.seed}-{'-'.join(r.spec.model for r in reports)}"
    header = {
        "id": f"{identity}-{'-'.join(map(str, ready))}-{whole}",
        "identity": identity,
        "runs": runs,
        "total": total,
        "ready": total if whole else min(total, max(ready)),
        "class_names": list(first.class_names),
        "palette": [theme.cluster_color(c) for c in range(2)],
        "roles": theme.role_colors(),
        "point": list(point),
        "sentence": sentence,
    }
    return join(header, arrays)
