"""Push held-out samples toward a neighbouring cluster of a representation, step by step, as records."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from core.attacks.base import Budget
from core.attacks.objectives import STRATEGIES, neighbours, pursuit
from core.attacks.pgd import REACH, ProjectedGradientDescent
from core.clustering import NOT_MEASURED
from core.errors import LabError
from core.frames import encode
from core.library import Library
from core.models.representation import Neighbourhood, Representation
from core.neighbours.pursuit_records import PursuitReport, PursuitSpec
from core.projection import Projection, fit_pca
from core.records import MapRecord, Subject
from core.trace_records import TraceFrame, TraceReport
from core.traces import find_rows, follow, random_starts
from core.types import Encoding, MultiViewDataset, Views

MAP_SAMPLES = 1000  # held-out samples that span the map
SMALLEST_GAP = 1e-4  # of two cosines
ODDS = 3.0  # logarithm of how much likelier the own cluster of a usual sample is than the next


def pursue(library: Library, spec: PursuitSpec) -> Iterator[PursuitReport]:
    """The clean samples, the random start, then a frame a step; a report after each."""
    card = library.card(spec.dataset, spec.model)
    model = library.model(card)
    if not isinstance(model, Representation):
        raise LabError(f"{spec.dataset}/{spec.model} has no clusters of a representation; simclr and ncp_acl have.")
    train, held_out = library.parts(spec.dataset)
    rows = find_rows(held_out, spec.samples, len(train) + len(held_out))
    samples = held_out.take(rows.to(held_out.labels.device))
    view, budget = _neighbourhood(model, held_out), Budget(epsilon=spec.epsilon)
    report = _begin(model, view, held_out, samples, spec, card.sha256)
    starts = random_starts(held_out, rows, budget, seed=spec.seed)
    strategy = next(name for name in STRATEGIES if name == spec.strategy)
    attack = ProjectedGradientDescent(
        steps=spec.steps,
        step_size=report.trace.step_size,
        objective=pursuit(view.centres, strategy=strategy, rank=spec.rank),
        start=starts,
    )
    projection = _projection(view, held_out)[0]
    for frame in follow(view, attack, samples.views, starts, budget):
        report = _with(report, frame, model, projection)
        yield report


def _neighbourhood(model: Representation, held_out: MultiViewDataset) -> Neighbourhood:
    """The model's clusters, their probabilities as sharp as their centroids are apart: ODDS for the median sample."""
    view = Neighbourhood(model).eval()
    nearest = encode(view, _first(held_out)).logits.topk(2, dim=1).values * view.temperature  # (M, 2) cosines
    gap = (nearest[:, 0] - nearest[:, 1]).median().item()
    view.temperature = max(gap, SMALLEST_GAP) / ODDS
    return view


def _first(held_out: MultiViewDataset) -> Views:
    """The pictures that span the map."""
    return tuple(pictures[:MAP_SAMPLES] for pictures in held_out.views)


def _begin(
    model: Representation,
    view: Neighbourhood,
    held_out: MultiViewDataset,
    samples: MultiViewDataset,
    spec: PursuitSpec,
    card_digest: str,
) -> PursuitReport:
    """What is known before the first frame."""
    n_clusters, n_samples = view.n_clusters, len(samples)
    nearest = neighbours(encode(view, samples.views).hidden, view.centres, min(spec.rank, n_clusters))
    projection, encoding = _projection(view, held_out)
    names = _names(model, held_out, encoding, held_out.class_names)
    subject = Subject(
        index=samples.index.cpu().numpy(),
        labels=n_clusters + samples.labels.cpu().numpy(),
        class_names=(*names, *held_out.class_names),
        n_clusters=n_clusters,
        matching=np.arange(n_clusters),
        card_digest=card_digest,
    )
    curve = model.curve.tolist()
    empty = np.empty((0, n_samples, 2), dtype=np.float32)
    return PursuitReport(
        spec=spec,
        trace=TraceReport(spec=spec.trace, subject=subject, frames=(), step_size=REACH * spec.epsilon / spec.steps),
        map=MapRecord(
            method="pca",
            points=empty,
            reference=projection.place(encoding.hidden.cpu().numpy()),
            reference_clusters=encoding.clusters.cpu().numpy(),
        ),
        centroids=projection.place(view.centres.cpu().numpy()),
        cluster_names=names,
        class_names=held_out.class_names,
        classes=np.empty((0, n_samples), dtype=np.int64),
        labels=samples.labels.cpu().numpy(),
        own=nearest[:, 0].cpu().numpy(),
        neighbour=nearest[:, -1].cpu().numpy(),
        likeness=empty,
        grid=tuple(k for k, value in zip(model.grid, curve, strict=True) if value > NOT_MEASURED),
        curve=tuple(value for value in curve if value > NOT_MEASURED),
    )


def _with(report: PursuitReport, frame: TraceFrame, model: Representation, projection: Projection) -> PursuitReport:
    """The report with one more frame."""
    device = model.centroids.device
    views = tuple(torch.from_numpy(view).to(device) for view in frame.views)
    classes = encode(model, views).clusters.cpu().numpy()
    centres = model.centroid_rows().cpu().numpy()
    pairs = np.stack((report.own, report.neighbour), axis=1)  # (S, 2)
    likeness = np.einsum("sd,spd->sp", frame.hidden, centres[pairs]).astype(np.float32)
    trace = replace(report.trace, frames=(*report.trace.frames, frame))
    points = np.concatenate((report.map.points, projection.place(frame.hidden)[None]))
    return replace(
        report,
        trace=trace,
        map=replace(report.map, points=points),
        classes=np.concatenate((report.classes, classes[None])),
        likeness=np.concatenate((report.likeness, likeness[None])),
    )


def _projection(view: Neighbourhood, held_out: MultiViewDataset) -> tuple[Projection, Encoding]:
    encoding = encode(view, _first(held_out))
    return fit_pca(encoding.hidden.cpu().numpy()), encoding


def _names(
    model: Representation, held_out: MultiViewDataset, encoding: Encoding, class_names: tuple[str, ...]
) -> tuple[str, ...]:
    """Each cluster's number and the class that the head gives most of its samples."""
    classes = encode(model, _first(held_out)).clusters
    n_clusters = encoding.probs.shape[1]

    def name(cluster: int) -> str:
        members: Tensor = classes[encoding.clusters == cluster]
        if not len(members):
            return f"C{cluster + 1} (empty)"
        return f"C{cluster + 1} ({class_names[int(members.mode().values)]})"

    return tuple(name(cluster) for cluster in range(n_clusters))
