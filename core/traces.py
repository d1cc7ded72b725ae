"""PGD followed step by step: from the states of an attack to the frames of a trace."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from core.attacks.base import Budget, distances, still
from core.attacks.pgd import ProjectedGradientDescent
from core.errors import LabError
from core.frames import check_numbers, chunk_size, draw_order
from core.models.base import ClusteringModel
from core.records import Floats, Integers, Subject
from core.trace_records import TraceFrame, TraceReport, TraceSpec
from core.types import Encoding, MultiViewDataset, Views, chunks


def trace(
    spec: TraceSpec,
    model: ClusteringModel,
    held_out: MultiViewDataset,
    *,
    whole: int,
    matching: Integers,
    card_digest: str,
) -> Iterator[TraceReport]:
    """Follow PGD on samples of the held-out part of a data set of ``whole`` samples; a report after every step."""
    rows = find_rows(held_out, spec.samples, whole)
    samples = held_out.take(rows.to(held_out.labels.device))
    budget = Budget(epsilon=spec.epsilon, norm="l2" if spec.norm == "l2" else "linf", views=spec.views)
    budget.covers(len(samples.views))
    starts = random_starts(held_out, rows, budget, seed=spec.seed)
    attack = ProjectedGradientDescent(
        steps=spec.steps, relative_step_size=spec.relative_step_size, objective=spec.objective, start=starts
    )
    subject = Subject(
        index=samples.index.cpu().numpy(),
        labels=samples.labels.cpu().numpy(),
        class_names=samples.class_names,
        n_clusters=model.n_clusters,
        matching=matching,
        card_digest=card_digest,
    )
    report = TraceReport(spec=spec, subject=subject, frames=(), step_size=attack.step_in(budget))
    for frame in follow(model, attack, samples.views, starts, budget):
        report = replace(report, frames=(*report.frames, frame))
        yield report


def find_rows(held_out: MultiViewDataset, samples: Sequence[int], whole: int) -> Tensor:
    """Rows (S,) in the held-out part of samples named by their place in the whole data set of ``whole`` samples.

    Raises :class:`LabError` for a place outside the data set or in the part that models are trained on.
    """
    rows = {place: row for row, place in enumerate(held_out.index.tolist())}
    for place in samples:
        if not 0 <= place < whole:
            raise LabError(f"{held_out.name} has samples 0 to {whole - 1}, and no sample {place}.")
        if place not in rows:
            raise LabError(
                f"Sample {place} of {held_out.name} is in the part that models are trained on. "
                "Steps are followed on held-out samples only; choose one of those shown."
            )
    return torch.tensor([rows[place] for place in samples])


def random_starts(held_out: MultiViewDataset, rows: Tensor, budget: Budget, *, seed: int) -> Views:
    """Where PGD starts the held-out samples at ``rows`` (S,), V x (S, C, H, W).

    It is where an attack on the whole held-out part starts them with this seed, so that a sample's way does not
    depend on which others are followed with it.
    """
    generator = torch.Generator().manual_seed(seed)
    wanted = rows.tolist()
    found: dict[int, Views] = {}
    for (piece,) in chunks((draw_order(len(held_out), seed),), chunk_size("eval")):
        starts = budget.random_start(held_out.take(piece.to(held_out.labels.device)).views, generator)
        for place, row in enumerate(piece.tolist()):
            if row in wanted:
                found[row] = tuple(view[place] for view in starts)
        if len(found) == len(set(wanted)):
            break
    return tuple(torch.stack([found[row][v] for row in wanted]) for v in range(len(held_out.views)))


def follow(
    model: ClusteringModel, attack: ProjectedGradientDescent, clean: Views, starts: Views, budget: Budget
) -> Iterator[TraceFrame]:
    """The clean samples V x (S, C, H, W), their ``starts``, then a frame after every step of the attack."""
    subject = still(model)
    with torch.inference_mode():
        reference = subject.encode(clean)

    def frame(views: Views) -> TraceFrame:
        with torch.inference_mode():
            encoding = subject.encode(views)
            objective = attack.objective(reference, encoding)
        return _make_frame(clean, views, encoding, objective)

    yield frame(clean)
    yield frame(starts)
    for step in attack.steps(model, clean, budget):
        yield frame(step.views)


def _make_frame(clean: Views, views: Views, encoding: Encoding, objective: Tensor) -> TraceFrame:
    check_numbers(encoding)
    pairs = [((x,), (y,)) for x, y in zip(clean, views, strict=True)]
    return TraceFrame(
        views=tuple(_array(view) for view in views),
        objective=_array(objective),
        probs=_array(encoding.probs),
        hidden=_array(encoding.hidden),
        linf=np.stack([_array(distances(x, y, "linf")) for x, y in pairs]),
        l2=np.stack([_array(distances(x, y, "l2")) for x, y in pairs]),
    )


def _array(tensor: Tensor) -> Floats:
    numbers: Floats = tensor.cpu().numpy()
    return numbers
