"""One's own samples before a model: the cluster they fall into, their neighbours, and the same under attack."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import torch

from core.attacks import ATTACKS
from core.attacks.base import Attack, Budget
from core.errors import LabError
from core.frames import attack_in_chunks, check_numbers, encode
from core.metrics import match
from core.models.base import ClusteringModel
from core.own.records import ProbeFrame, ProbeReport, Reference, seen
from core.records import CheckpointCard, Floats, Integers, SweepSpec
from core.types import Encoding, MultiViewDataset, Views

NEIGHBOURS = 8  # of each own sample
TYPICAL = 8  # samples that stand for a cluster
LARGEST_PROBE = 512  # own samples at once


def make_reference(samples: MultiViewDataset, encoding: Encoding, n_clusters: int, held_out: int) -> Reference:
    """The clean samples that own ones are compared with, with the matching found on them."""
    labels, clusters = samples.labels.cpu().numpy(), encoding.clusters.cpu().numpy()
    hidden = encoding.hidden.cpu().numpy()
    return Reference(
        index=samples.index.cpu().numpy(),
        labels=labels,
        clusters=clusters,
        hidden=hidden,
        views=tuple(view.cpu().numpy() for view in samples.views),
        class_names=samples.class_names,
        matching=match(labels, clusters, n_clusters=n_clusters, n_labels=len(samples.class_names)),
        typical=_typical(hidden, clusters, n_clusters),
        held_out=held_out,
    )


def probe(
    spec: SweepSpec,
    card: CheckpointCard,
    model: ClusteringModel,
    attack: Attack,
    views: Sequence[Floats],
    reference: Reference,
    *,
    controls: Sequence[str],
) -> Iterator[ProbeReport]:
    """The clean frame at once, then a report after every step, with a frame more for every ε of the grid.

    ``views`` are V x (N, C, H, W) in [0, 1]. Raises :class:`LabError` if they are not what the model takes.
    """
    own = _checked(spec, card, views, next(model.parameters()).device)
    seed = spec.attack.seed
    report = ProbeReport(
        spec=spec, reference=reference, frames=(_frame(reference, own, encode(model, own)),), card_digest=card.sha256
    )
    yield report
    kept = seen(sum(view[0].numel() for view in own), spec.points)
    for i, epsilon in enumerate(spec.epsilons[1:]):
        start = time.perf_counter()
        budget = Budget(epsilon=epsilon, views=spec.attack.views)
        adversarial: Views = ()
        for share, done in attack_in_chunks(attack, model, own, budget, seed=seed):
            adversarial = done
            yield replace(report, progress=(i + share) / (spec.points - 1))
        frame = _frame(reference, adversarial, encode(model, adversarial), epsilon, time.perf_counter() - start)
        frame = replace(frame, views=tuple(view[:kept].copy() for view in frame.views))  # a session keeps them all
        moved = {}
        for name in controls:
            *_, (_, changed) = attack_in_chunks(ATTACKS.make(name), model, own, budget, seed=seed)
            moved[name] = encode(model, changed).clusters.cpu().numpy()
        frames = (*report.frames, replace(frame, controls=moved))
        report = replace(report, frames=frames, progress=(i + 1) / (spec.points - 1))
        yield report


def _checked(spec: SweepSpec, card: CheckpointCard, views: Sequence[Floats], device: torch.device) -> Views:
    attack = spec.attack
    if attack.norm != "linf" or attack.target_mode != "eval":
        raise LabError("Own samples are attacked within L∞, with the target in evaluation mode.")
    Budget(epsilon=0, views=attack.views).covers(len(card.view_shapes))
    if not 1 <= attack.samples <= LARGEST_PROBE:
        raise LabError(f"From 1 to {LARGEST_PROBE} own samples go at once, got {attack.samples:,}.")
    expected = [(attack.samples, *shape) for shape in card.view_shapes]
    if [view.shape for view in views] != expected:
        got = ", ".join(str(view.shape) for view in views) or "none"
        raise LabError(f"{card.dataset} takes views of shapes {', '.join(map(str, expected))}, got {got}.")
    if not all(np.isfinite(view).all() and view.min() >= 0 and view.max() <= 1 for view in views):
        raise LabError("Pixels are finite numbers from 0 to 1; some of these are not.")
    return tuple(torch.from_numpy(np.array(view, dtype=np.float32)).to(device) for view in views)


def _frame(
    reference: Reference, views: Views, encoding: Encoding, epsilon: float = 0.0, seconds: float = 0.0
) -> ProbeFrame:
    check_numbers(encoding)
    probs = encoding.probs.cpu().numpy()
    hidden = encoding.hidden.cpu()
    far = torch.cdist(hidden, torch.from_numpy(reference.hidden), compute_mode="donot_use_mm_for_euclid_dist")
    nearest = far.topk(min(NEIGHBOURS, far.shape[1]), largest=False)
    return ProbeFrame(
        epsilon=epsilon,
        views=tuple(view.cpu().numpy() for view in views),
        probs=probs,
        hidden=hidden.numpy(),
        neighbours=nearest.indices.numpy(),
        distances=nearest.values.numpy(),
        seconds=seconds,
    )


def _typical(hidden: Floats, clusters: Integers, n_clusters: int) -> Integers:
    """Rows (K, T) of the samples nearest to the mean of their cluster, nearest first, -1 where there are fewer."""
    rows = np.full((n_clusters, TYPICAL), -1, dtype=np.int64)
    for k in range(n_clusters):
        members = np.flatnonzero(clusters == k)
        if len(members):
            far = np.linalg.norm(hidden[members] - hidden[members].mean(axis=0), axis=1)
            nearest = members[np.argsort(far, kind="stable")[:TYPICAL]]
            rows[k, : len(nearest)] = nearest
    return rows
