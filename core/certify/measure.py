"""Every attack of ClusTR's table on a classifier, and the slopes of its objectives on the way of one."""

from collections.abc import Iterator

import torch
from torch import Tensor

from core.attacks import ATTACKS as NAMED
from core.attacks import OBJECTIVES
from core.attacks.autoattack.ensemble import Ensemble
from core.attacks.base import Attack, Budget, query, still
from core.attacks.pgd import ProjectedGradientDescent
from core.certify.results import ATTACKS, RobustResult, RobustSpec
from core.frames import CHUNK, encode
from core.models.base import ClusteringModel
from core.models.magnet import Magnet
from core.types import Encoding, MultiViewDataset, Views, chunks

POINTS_ALONG = 11  # of the way on which slopes are measured
WAY = 40  # steps of the margin attack that goes it
LOOKED_AT = ("scores", "log_scores")


def measure(
    model: ClusteringModel, data: MultiViewDataset, spec: RobustSpec, card_digest: str
) -> Iterator[tuple[float, RobustResult | None]]:
    """Every attack of ATTACKS; yields (share done, None) after each, and the result at last."""
    budget = Budget(epsilon=spec.epsilon)
    right = encode(model, data.views).clusters == data.labels
    accuracy: dict[str, float] = {}
    for i, name in enumerate(ATTACKS):
        stands = right.clone()
        for restart in range(1 if name in ("noise", "ensemble") else spec.restarts):
            rows = stands.nonzero().squeeze(1)
            if not len(rows):
                break
            generator = torch.Generator().manual_seed(spec.seed + restart)
            left = data.take(rows)
            moved = [
                _moved(make_attack(name, model, spec), model, chunk, budget, generator)
                for chunk in chunks(left.views, CHUNK)
            ]
            stands[rows[torch.cat(moved)]] = False
        accuracy[name] = float(stands.double().mean())
        yield (i + 1) / (len(ATTACKS) + 1), None
    along, slopes, flat = _fading(model, data.take(right.nonzero().squeeze(1)), budget, spec)
    yield (
        1.0,
        RobustResult(
            spec=spec,
            card_digest=card_digest,
            clean=float(right.double().mean()),
            accuracy=accuracy,
            still=flat,
            along=along,
            slopes=slopes,
        ),
    )


def make_attack(name: str, model: ClusteringModel, spec: RobustSpec) -> Attack:
    """An attack of the table. What the paper does to a Magnet's scores, it does to another classifier's logits."""
    objective, steps = ATTACKS[name]
    if name == "ensemble":
        return Ensemble(steps=spec.ensemble_steps)
    if steps is None:
        return NAMED.make(name)
    if objective == "scores" and not isinstance(model, Magnet):
        objective = "log_scores"
    return ProjectedGradientDescent(steps=steps, step_size=spec.epsilon / 4, objective=objective)


def _moved(attack: Attack, model: ClusteringModel, views: Views, budget: Budget, generator: torch.Generator) -> Tensor:
    """Which samples (B,) an attack moves out of their class."""
    adversarial = attack(model, views, budget, generator=generator)
    with torch.no_grad():
        return model.encode(adversarial).clusters != model.encode(views).clusters


def _fading(
    model: ClusteringModel, data: MultiViewDataset, budget: Budget, spec: RobustSpec
) -> tuple[tuple[float, ...], dict[str, tuple[float, ...]], dict[str, float]]:
    """Median length of two objectives' slopes on the straight way to where a margin attack ends; where they are 0."""
    subject, way = still(model), ProjectedGradientDescent(steps=WAY, objective="margin")
    names = LOOKED_AT if isinstance(model, Magnet) else ("log_scores",)
    lengths: dict[str, list[list[Tensor]]] = {name: [[] for _ in range(POINTS_ALONG)] for name in names}
    for chunk in chunks(data.views, CHUNK):
        end = way(model, chunk, budget, generator=torch.Generator().manual_seed(spec.seed))
        with torch.no_grad():
            clean = subject.encode(chunk)
        for i in range(POINTS_ALONG):
            share = i / (POINTS_ALONG - 1)
            there = tuple(x + share * (y - x) for x, y in zip(chunk, end, strict=True))
            for name in names:
                lengths[name][i].append(_slope(subject, name, clean, there))
    slopes = {name: tuple(float(torch.cat(row).median()) for row in rows) for name, rows in lengths.items()}
    flat = {name: float((torch.cat(rows[0]) == 0).double().mean()) for name, rows in lengths.items()}
    return tuple(i / (POINTS_ALONG - 1) * spec.epsilon for i in range(POINTS_ALONG)), slopes, flat


def _slope(model: ClusteringModel, name: str, clean: Encoding, views: Views) -> Tensor:
    """Length (B,) of the objective's slope in the pictures."""
    objective = OBJECTIVES.make(name)
    slopes = query(model, lambda at: objective(clean, at), views, (True,) * len(views)).gradients
    length: Tensor = torch.cat([slope.flatten(1) for slope in slopes], dim=1).norm(dim=1)
    return length
