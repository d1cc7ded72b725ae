"""Auto-PGD (Croce & Hein, ICML 2020, Algorithm 1): PGD with momentum that chooses its step size by itself."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor

from core.attacks.autoattack.logit_losses import cross_entropy, on_logits
from core.attacks.base import Attack, Budget, Query, Step, TargetMode, choose, query
from core.attacks.objectives import Objective
from core.errors import LabError
from core.models.base import ClusteringModel
from core.types import Views

# Of Algorithm 1 and its section 3.2; shares are of all steps.
FIRST_STEP = 2.0  # times ε
MOMENTUM = 0.75  # α, weight of the new step
PROGRESS = 0.75  # ρ, share of steps that must improve
FIRST_PERIOD, SHORTER, SHORTEST_PERIOD = 0.22, 0.03, 0.06


def checkpoints(steps: int) -> tuple[int, ...]:
    """After which of 1 .. ``steps`` steps the step size is looked at: 22, 41, 57, 70, 80, 87, 93, 99 of 100."""
    period, shorter, shortest = (max(int(share * steps), 1) for share in (FIRST_PERIOD, SHORTER, SHORTEST_PERIOD))
    places, place = [], period
    while place <= steps:
        places.append(place)
        period = max(period - shorter, shortest)
        place += period
    return tuple(places)


@dataclass(frozen=True)
class _Climb:
    """Where each sample stands: V x (B, C, H, W) and (B,)."""

    here: Views
    before: Views  # one step ago
    gain: Tensor  # here
    gradients: Views  # here
    best: Views
    best_gain: Tensor
    best_gradients: Views
    moved: Tensor  # bool, an iterate was in another cluster
    answer: Views  # the last such iterate
    step_size: Tensor
    improved: Tensor  # steps since the last checkpoint that raised the gain
    checked_gain: Tensor  # the best at the last checkpoint
    halved: Tensor  # bool, the step size was halved there

    def arrive(self, place: Views, found: Query, clusters: Tensor) -> "_Climb":
        """After a step to ``place``; ``clusters`` are to be left."""
        better = found.gain > self.best_gain
        moved = found.clusters != clusters
        return replace(
            self,
            here=place,
            before=self.here,
            gain=found.gain,
            gradients=found.gradients,
            best=choose(better, place, self.best),
            best_gain=torch.where(better, found.gain, self.best_gain),
            best_gradients=choose(better, found.gradients, self.best_gradients),
            moved=self.moved | moved,
            answer=choose(moved, place, self.answer),
            improved=self.improved + (found.gain > self.gain),
        )

    def check(self, period: int) -> "_Climb":
        """At a checkpoint after ``period`` steps: halve the step and go back to the best where it no longer climbs."""
        stuck = self.improved <= PROGRESS * period
        no_better = ~self.halved & (self.best_gain <= self.checked_gain)
        halve = stuck | no_better
        return replace(
            self,
            here=choose(halve, self.best, self.here),
            gain=torch.where(halve, self.best_gain, self.gain),
            gradients=choose(halve, self.best_gradients, self.gradients),
            step_size=torch.where(halve, self.step_size / 2, self.step_size),
            improved=torch.zeros_like(self.improved),
            checked_gain=self.best_gain,
            halved=halve,
        )


class AutoPGD(Attack):
    """Ascends an objective over all views of the budget at once; every sample has a step size of its own.

    ``objective`` is a function (clean, adversarial) -> (B,), the cross-entropy of the logits unless given. The result
    is an iterate in another cluster where one was found, else the one with the highest objective. It ends early when
    every sample has been moved.
    """

    def __init__(self, *, steps: int = 100, objective: Objective | None = None, target_mode: TargetMode = "eval"):
        super().__init__(target_mode=target_mode)
        if steps < 1:
            raise LabError(f"APGD needs at least 1 step, got {steps}.")
        self.n_steps = steps
        self.objective: Objective = objective or on_logits(cross_entropy)

    def perturb(
        self, model: ClusteringModel, views: Views, budget: Budget, *, generator: torch.Generator
    ) -> Iterator[Step]:
        """One step an iteration."""
        covered = budget.covers(len(views))
        with torch.no_grad():
            clean = model.encode(views)
        ask = partial(query, model, partial(self.objective, clean), covered=covered)
        climb = _start(budget.random_start(views, generator), ask, clean.clusters, FIRST_STEP * budget.epsilon)
        last_check, places = 0, checkpoints(self.n_steps)
        for i in range(1, self.n_steps + 1):
            gain = climb.gain
            place = _step(climb, views, budget, MOMENTUM if i > 1 else 1.0)
            climb = climb.arrive(place, ask(place), clean.clusters)
            if i in places:
                climb, last_check = climb.check(i - last_check), i
            yield Step(choose(climb.moved, climb.answer, climb.best), objective=gain)
            if climb.moved.all():
                return


def _start(place: Views, ask: "partial[Query]", clusters: Tensor, step_size: float) -> _Climb:
    found = ask(place)
    never = torch.zeros_like(clusters, dtype=torch.bool)
    return _Climb(
        here=place,
        before=place,
        gain=found.gain,
        gradients=found.gradients,
        best=place,
        best_gain=found.gain,
        best_gradients=found.gradients,
        moved=found.clusters != clusters,
        answer=place,
        step_size=torch.full_like(found.gain, step_size),
        improved=torch.zeros_like(clusters),
        checked_gain=found.gain,
        halved=~never,  # the first checkpoint asks for progress alone
    )


def _step(climb: _Climb, clean: Views, budget: Budget, momentum: float) -> Views:
    """The next place: a projected step along the gradient, mixed with the last one, projected again."""
    sizes = climb.step_size[:, None, None, None]
    pairs = zip(climb.here, climb.gradients, strict=True)
    ahead = budget.project(clean, tuple(x + sizes * budget.direction(slope) for x, slope in pairs))
    triples = zip(climb.here, climb.before, ahead, strict=True)
    return budget.project(
        clean, tuple(x + momentum * (y - x) + (1 - momentum) * (x - before) for x, before, y in triples)
    )
