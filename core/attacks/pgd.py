"""Projected gradient descent (Madry et al., ICLR 2018) and the fast gradient sign method, on any objective."""

from collections.abc import Iterator
from functools import partial

import torch

from core.attacks.base import Attack, Budget, Step, TargetMode, query
from core.attacks.objectives import OBJECTIVES, Objective
from core.errors import LabError
from core.models.base import ClusteringModel
from core.types import Views

REACH = 2.5  # steps of 2.5 ε / n reach any corner of the ball from any start (Madry et al.)


class ProjectedGradientDescent(Attack):
    """Ascends an objective over all views of the budget at once, from a random start.

    ``step_size`` is on the budget's scale, ``relative_step_size`` a multiple of ε; without either, a step is
    2.5 ε / ``steps``. ``start`` are views to begin at instead of a random point of the ball.
    ``objective`` is a name in OBJECTIVES or a function (clean, adversarial) -> (B,).
    """

    def __init__(
        self,
        *,
        steps: int = 10,
        step_size: float | None = None,
        relative_step_size: float | None = None,
        objective: str | Objective = "both",
        target_mode: TargetMode = "eval",
        start: Views | None = None,
    ) -> None:
        super().__init__(target_mode=target_mode)
        if steps < 1:
            raise LabError(f"PGD needs at least 1 step, got {steps}.")
        if step_size is not None and relative_step_size is not None:
            raise LabError("A step of PGD has one size: give step_size or relative_step_size.")
        self.n_steps = steps
        self.step_size = step_size
        self.relative_step_size = REACH / steps if relative_step_size is None else relative_step_size
        self.start = start
        self.objective: Objective = OBJECTIVES.make(objective) if isinstance(objective, str) else objective

    def step_in(self, budget: Budget) -> float:
        """How long a step is under that budget, on its scale."""
        return self.relative_step_size * budget.epsilon if self.step_size is None else self.step_size

    def perturb(
        self, model: ClusteringModel, views: Views, budget: Budget, *, generator: torch.Generator
    ) -> Iterator[Step]:
        """One step an iteration."""
        step_size = self.step_in(budget)
        covered = budget.covers(len(views))
        with torch.no_grad():
            clean = model.encode(views)
        # A distance has no gradient at the clean point, hence the random start.
        current = budget.random_start(views, generator) if self.start is None else budget.project(views, self.start)
        for _ in range(self.n_steps):
            there = query(model, partial(self.objective, clean), current, covered)
            pairs = zip(current, there.gradients, strict=True)
            current = budget.project(views, tuple(x + step_size * budget.direction(slope) for x, slope in pairs))
            yield Step(current, objective=there.gain)


def fast_gradient_sign(
    *, objective: str | Objective = "both", target_mode: TargetMode = "eval"
) -> ProjectedGradientDescent:
    """FGSM (Goodfellow et al., ICLR 2015): clean + ε · sign of the gradient, which is PGD with one step.

    The gradient is taken at a random point of the ball, since a distance has none at the clean point; the step
    of 2.5 ε leaves the ball from there, so the projection lands on the corner the sign points to.
    """
    return ProjectedGradientDescent(steps=1, objective=objective, target_mode=target_mode)
