"""The strongest attack of the lab: AutoAttack's members and more, in sequence, each on what the others left."""

from collections.abc import Iterator

import torch

from core.attacks.autoattack.apgd import AutoPGD
from core.attacks.autoattack.fab import FastAdaptiveBoundary
from core.attacks.autoattack.logit_losses import cross_entropy, dlr, look_like_probabilities, on_logits, towards
from core.attacks.autoattack.square import Square
from core.attacks.base import Attack, Budget, Findings, Step, TargetMode, choose, query, still
from core.attacks.gan import GenerativeAttack
from core.attacks.generators import Generators
from core.attacks.objectives import BETWEEN_VIEWS, OBJECTIVES, OF_CLASSIFIERS
from core.attacks.pgd import ProjectedGradientDescent
from core.ensemble_records import FULL_STEPS
from core.errors import LabError
from core.models.base import ClusteringModel
from core.types import Encoding, Views

QUERIES_A_STEP = 50  # of Square: 5,000 beside 100 steps of APGD, as in AutoAttack's standard
PGD_SHARE = 0.4  # of the steps: PGD-40 beside 100 steps of APGD


class Transfer(Attack):
    """An attack on another model, the ``surrogate``, whose views are then shown to the target."""

    def __init__(self, attack: Attack, surrogate: ClusteringModel, *, target_mode: TargetMode = "eval") -> None:
        super().__init__(target_mode=target_mode)
        self.attack = attack
        self.surrogate = surrogate
        self.n_steps = attack.n_steps

    def perturb(
        self, model: ClusteringModel, views: Views, budget: Budget, *, generator: torch.Generator
    ) -> Iterator[Step]:
        """The steps against the surrogate; the target is not asked."""
        yield from self.attack.perturb(still(self.surrogate), views, budget, generator=generator)


class Ensemble(Attack):
    """The worst case over members; each runs on the samples that are still in their clean cluster.

    In order: AutoAttack's standard (APGD on the cross-entropy, APGD on the targeted DLR loss, FAB, Square), then PGD
    with ``restarts`` on every objective, then the trained ``generators`` and a transfer from a ``surrogate``, where
    there are any. ``steps`` are APGD's and FAB's; Square makes 50 queries and PGD 0.4 steps for each. 100 is the
    standard. The targeted attacks go to the ``targets`` nearest other clusters.

    A sample that nobody moves gets the views with the highest cross-entropy. The last step's findings say who moved
    what. With the target in training mode every member meets the whole batch, since a sample's cluster then depends
    on its neighbours, and samples moved one by one need not stay moved together.
    """

    def __init__(
        self,
        *,
        steps: int = FULL_STEPS,
        targets: int = 9,
        restarts: int = 5,
        generators: Generators | None = None,
        surrogate: ClusteringModel | None = None,
        target_mode: TargetMode = "eval",
    ) -> None:
        super().__init__(target_mode=target_mode)
        if min(steps, targets, restarts) < 1:
            raise LabError(
                f"An ensemble needs at least 1 step, target and restart, got {steps}, {targets}, {restarts}."
            )
        self.steps_of_apgd = steps
        self.targets = targets
        self.restarts = restarts
        self.generators = generators
        self.surrogate = surrogate

    def perturb(
        self, model: ClusteringModel, views: Views, budget: Budget, *, generator: torch.Generator
    ) -> Iterator[Step]:
        """One step for each of a member's; the findings come with the last."""
        members = tuple(self._members(model.n_clusters, len(views)))
        names = tuple(dict.fromkeys(name for name, _ in members))
        with torch.no_grad():
            clean = model.encode(views)
        answer, labels = views, clean.clusters
        gain = torch.full_like(clean.probs[:, 0], -torch.inf)
        moved_by = torch.full_like(labels, -1)
        done, total = 0, sum(attack.n_steps for _, attack in members)
        for name, attack in members:
            rows = torch.arange(len(labels), device=labels.device)
            if not model.training:
                rows = rows[moved_by < 0]
            if not len(rows) or (moved_by >= 0).all():
                break
            part = tuple(view[rows] for view in views)
            proposed = part
            for i, step in enumerate(attack.perturb(model, part, budget, generator=generator), start=1):
                proposed = step.views
                yield Step(answer, progress=(done + i) / total)
            done += attack.n_steps
            proposed = budget.project(part, proposed)
            with torch.no_grad():
                there = model.encode(proposed)
            left = moved_by[rows] < 0
            moved = (there.clusters != labels[rows]) & left
            reached = cross_entropy(there.logits, labels[rows])
            better = moved | ((reached > gain[rows]) & left)
            kept = choose(better, proposed, tuple(view[rows] for view in answer))
            answer = tuple(view.index_copy(0, rows, new) for view, new in zip(answer, kept, strict=True))
            gain = gain.index_copy(0, rows, torch.where(better, reached, gain[rows]))
            moved_by[rows[moved]] = names.index(name)
        yield Step(answer, progress=1.0, findings=_findings(model, views, budget, clean, names, moved_by))

    def _members(self, n_clusters: int, n_views: int) -> Iterator[tuple[str, Attack]]:
        """Every member with its name, one after the other; several runs of a member share the name."""
        steps, ranks = self.steps_of_apgd, range(1, min(self.targets, n_clusters - 1) + 1)
        yield "apgd_ce", AutoPGD(steps=steps)
        if n_clusters == 3:  # the targeted loss needs four clusters, the other three
            yield "apgd_dlr", AutoPGD(steps=steps, objective=on_logits(dlr))
        elif n_clusters > 3:
            yield from (("apgd_dlr", AutoPGD(steps=steps, objective=towards(rank))) for rank in ranks)
        yield from (("fab", FastAdaptiveBoundary(steps=steps, rank=rank)) for rank in ranks)
        yield "square", Square(queries=QUERIES_A_STEP * steps)
        left_out = OF_CLASSIFIERS if n_views > 1 else (*OF_CLASSIFIERS, BETWEEN_VIEWS)  # APGD and FAB are on logits
        for objective in [name for name in OBJECTIVES if name not in left_out]:
            pgd = ProjectedGradientDescent(steps=max(1, round(PGD_SHARE * steps)), objective=objective)
            yield from [(f"pgd_{objective}", pgd)] * self.restarts
        if self.generators is not None:
            yield "gan", GenerativeAttack(generators=self.generators)
        if self.surrogate is not None:
            yield "transfer", Transfer(AutoPGD(steps=steps), self.surrogate)


def _findings(
    model: ClusteringModel,
    views: Views,
    budget: Budget,
    clean: Encoding,
    names: tuple[str, ...],
    moved_by: torch.Tensor,
) -> Findings:
    slopes = query(model, lambda at: cross_entropy(at.logits, clean.clusters), views, budget.covers(len(views)))
    zero = torch.stack([(slope == 0).flatten(1).all(dim=1) for slope in slopes.gradients]).all(dim=0)
    return Findings(names, moved_by, look_like_probabilities(clean.logits), zero)
