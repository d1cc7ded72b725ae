"""One's own samples before the fake lab's nearest-centroid "model"."""

import time
from collections.abc import Iterator

import numpy as np

from core.errors import LabError
from core.own.records import ProbeFrame, ProbeReport, Reference
from core.records import SweepSpec

DIGEST = "9f2c41d07b5e" + "0" * 52
START, COUNT, NEAR, TYPICAL = 899, 600, 8, 8


def reference(lab, dataset: str) -> Reference:
    rows = np.arange(START, START + COUNT)
    view = lab.pictures[dataset][rows]
    hidden, probs = lab._hidden(dataset, (view, view))
    clusters = probs.argmax(axis=1)
    typical = np.stack([np.flatnonzero(clusters == k)[:TYPICAL] for k in range(10)])
    return Reference(
        index=rows,
        labels=lab.labels[rows],
        clusters=clusters,
        hidden=hidden,
        views=(view, view),
        class_names=lab.dataset_facts(dataset).class_names,
        matching=np.arange(10)[::-1].copy(),
        typical=typical,
        held_out=898,
    )


def probe(lab, spec: SweepSpec, views) -> Iterator[ProbeReport]:
    dataset, around = spec.attack.dataset, lab.reference(spec.attack.dataset, spec.attack.model)
    if len(views[0]) != spec.attack.samples:
        raise LabError("The spec and the views do not have the same number of samples.")
    directions = lab._direction(spec, views)
    frames: tuple[ProbeFrame, ...] = ()
    for i, epsilon in enumerate(spec.epsilons):
        if i:
            if spec.attack.seed == 13:
                raise RuntimeError("seed 13 breaks on purpose")
            time.sleep(lab.pace)
        moved = tuple(np.clip(v + epsilon * d, 0, 1) for v, d in zip(views, directions, strict=True))
        frame = _frame(lab, dataset, around, moved, epsilon)
        clean = frames[0].clusters if frames else frame.clusters
        controls = dict.fromkeys(("noise", "untrained_generator"), clean) if i else {}
        frames = (*frames, ProbeFrame(**{**vars(frame), "controls": controls}))
        yield ProbeReport(
            spec=spec, reference=around, frames=frames, card_digest=DIGEST, progress=i / (spec.points - 1)
        )


def _frame(lab, dataset, around: Reference, views, epsilon: float) -> ProbeFrame:
    hidden, probs = lab._hidden(dataset, views)
    far = np.linalg.norm(hidden[:, None] - around.hidden, axis=2)
    nearest = np.argsort(far, axis=1, kind="stable")[:, :NEAR]
    return ProbeFrame(
        epsilon=epsilon,
        views=views,
        probs=probs,
        hidden=hidden,
        neighbours=nearest,
        distances=np.take_along_axis(far, nearest, axis=1).astype(np.float32),
    )
