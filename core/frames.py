"""From tensors to records: what a model says of samples, as frames of a report."""

from collections.abc import Generator, Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from core.attacks.base import Attack, Budget, Findings, TargetMode, still
from core.ensemble_records import EnsembleOutcome
from core.errors import LabError
from core.metrics import attack_scores, match, score
from core.models.base import ClusteringModel
from core.records import AttackScores, CheckpointCard, Frame, Scores, Subject, SweepReport
from core.types import Encoding, MultiViewDataset, Views, chunks

CHUNK = 128  # samples a forward pass; in training mode, the released code's batch of 100
RELEASED_CHUNK = 100
LOOKED_AT = 64  # samples without gradients on a CPU, whose cache holds no more: the same bits in two thirds of the time


def chunk_size(mode: TargetMode) -> int:
    """How many samples pass the model at once: in training mode the batch is part of the result."""
    return RELEASED_CHUNK if mode == "train" else CHUNK


def draw_order(n_samples: int, seed: int) -> Tensor:
    """The order in which a seed draws from samples, rows (n_samples,): an attack takes the first of it."""
    return torch.randperm(n_samples, generator=torch.Generator().manual_seed(seed))


def encode(model: ClusteringModel, views: Views, mode: TargetMode = "eval") -> Encoding:
    """The encoding of all samples V x (N, C, H, W), without gradients, in chunks. ``embeddings`` is left empty."""
    parts = []
    subject = still(model, training=mode == "train")
    size = LOOKED_AT if mode == "eval" and views[0].device.type == "cpu" else chunk_size(mode)
    with torch.inference_mode():
        for chunk in chunks(views, size):
            parts.append(subject.encode(chunk))
    return Encoding(
        (),
        torch.cat([part.fused for part in parts]),
        torch.cat([part.hidden for part in parts]),
        torch.cat([part.probs for part in parts]),
        torch.cat([part.logits for part in parts]),
    )


def first_look(
    model: ClusteringModel, samples: MultiViewDataset, card: CheckpointCard, mode: TargetMode, controls: Sequence[str]
) -> tuple[Subject, Frame]:
    """Clean samples as a model sees them, before any attack: the same for every one."""
    encoding = encode(model, samples.views, mode)
    subject = make_subject(samples, encoding, card.n_clusters, card.sha256)
    clean = make_frame(subject, None, samples.views, encoding, epsilon=0.0)
    return subject, replace(clean, controls=dict.fromkeys(controls, clean.scores))


def look_bytes(look: tuple[Subject, Frame]) -> int:
    """Memory of the pictures and hidden representations of a first look."""
    return sum(array.nbytes for array in (*look[1].views, look[1].hidden))


def attack_in_chunks(
    attack: Attack, model: ClusteringModel, views: Views, budget: Budget, *, seed: int
) -> Generator[tuple[float, Views], None, EnsembleOutcome | None]:
    """Run an attack piece by piece; yields (share done, views so far) after every step of every piece.

    Returns what an ensemble found out, None for any other attack.

    Each call draws from a new generator with ``seed``, so that two budgets differ by their scale alone.
    """
    generator = torch.Generator().manual_seed(seed)
    pieces = list(chunks(views, chunk_size(attack.target_mode)))
    done: list[Views] = []
    findings: list[Findings] = []
    for i, piece in enumerate(pieces):
        last = piece
        for j, step in enumerate(attack.steps(model, piece, budget, generator=generator), start=1):
            last = step.views
            findings += [] if step.findings is None else [step.findings]
            share = j / attack.n_steps if step.progress is None else step.progress
            yield (i + share) / len(pieces), ()
        done.append(last)
    yield 1.0, tuple(torch.cat(parts) for parts in zip(*done, strict=True))
    return _outcome(findings) if findings else None


def _outcome(findings: Sequence[Findings]) -> EnsembleOutcome:
    """What was found out of all pieces together."""
    members = findings[0].members
    counts = torch.cat([part.moved_by for part in findings]) + 1
    _, *moved = torch.bincount(counts, minlength=len(members) + 1).tolist()
    return EnsembleOutcome(
        moved=dict(zip(members, moved, strict=True)),
        samples=len(counts),
        probabilities=torch.cat([part.probabilities for part in findings]).float().mean().item(),
        zero_gradients=torch.cat([part.zero_gradients for part in findings]).float().mean().item(),
    )


def watched(
    running: Generator[tuple[float, Views], None, EnsembleOutcome | None], report: SweepReport, done: int
) -> Generator[SweepReport, None, tuple[Views, EnsembleOutcome | None]]:
    """The report after every step of an attack, ``done`` values of ε lying behind; returns what the attack gives."""
    views: Views = ()
    while True:
        try:
            share, views = next(running)
        except StopIteration as end:
            return views, end.value
        yield replace(report, progress=(done + share) / (report.spec.points - 1))


def clean_scores(model: ClusteringModel, data: MultiViewDataset) -> Scores:
    """How the model's clusters agree with the labels of a data set."""
    clusters = encode(model, data.views).clusters
    return score(data.labels.cpu().numpy(), clusters.cpu().numpy())


def make_subject(data: MultiViewDataset, encoding: Encoding, n_clusters: int, card_digest: str) -> Subject:
    """The samples under attack, with the matching found on their clean encoding."""
    labels = data.labels.cpu().numpy()
    clusters = encoding.clusters.cpu().numpy()
    return Subject(
        index=data.index.cpu().numpy(),
        labels=labels,
        class_names=data.class_names,
        n_clusters=n_clusters,
        matching=match(labels, clusters, n_clusters=n_clusters, n_labels=len(data.class_names)),
        card_digest=card_digest,
    )


def check_numbers(encoding: Encoding) -> None:
    """Raise :class:`LabError` where a model's probabilities are none."""
    if not np.isfinite(encoding.probs.sum().item()):
        raise LabError("The model's probabilities are not numbers; train it again.")


def make_frame(
    subject: Subject,
    clean: Frame | None,
    views: Views,
    encoding: Encoding,
    *,
    epsilon: float,
    controls: dict[str, AttackScores] | None = None,
    seconds: float = 0.0,
    ensemble: EnsembleOutcome | None = None,
) -> Frame:
    """The samples in one state; without ``clean`` it is the clean frame itself."""
    arrays = tuple(view.cpu().numpy() for view in views)
    clusters = encoding.clusters.cpu().numpy()
    check_numbers(encoding)
    return Frame(
        epsilon=epsilon,
        views=arrays,
        clusters=clusters,
        confidence=encoding.probs.amax(dim=1).cpu().numpy(),
        hidden=encoding.hidden.cpu().numpy(),
        scores=attack_scores(
            subject.labels,
            clusters if clean is None else clean.clusters,
            clusters,
            subject.matching,
            arrays if clean is None else clean.views,
            arrays,
            n_labels=len(subject.class_names),
        ),
        controls=controls or {},
        seconds=seconds,
        ensemble=ensemble,
    )


def scores_under_all(
    attacks: Mapping[str, Attack],
    model: ClusteringModel,
    samples: MultiViewDataset,
    subject: Subject,
    clean: Frame,
    budget: Budget,
    *,
    seed: int,
) -> dict[str, AttackScores]:
    """:func:`scores_under` each of several attacks."""
    return {
        name: scores_under(attack, model, samples, subject, clean, budget, seed=seed)
        for name, attack in attacks.items()
    }


def scores_under(
    attack: Attack,
    model: ClusteringModel,
    samples: MultiViewDataset,
    subject: Subject,
    clean: Frame,
    budget: Budget,
    *,
    seed: int,
) -> AttackScores:
    """The scores of the samples after a whole attack on them, beside their clean frame."""
    *_, (_, views) = attack_in_chunks(attack, model, samples.views, budget, seed=seed)
    encoding = encode(model, views, attack.target_mode)
    return make_frame(subject, clean, views, encoding, epsilon=budget.epsilon).scores
