"""Random noise: the control that every attack must beat."""

from collections.abc import Iterator
from typing import Literal

import torch

from core.attacks.base import Attack, Budget, Step, TargetMode, uniform
from core.errors import LabError
from core.models.base import ClusteringModel
from core.types import Views


class Noise(Attack):
    """±ε at every pixel ("sign"), or uniform in [-ε, ε] ("uniform"). Never looks at the model."""

    def __init__(self, *, kind: Literal["sign", "uniform"] = "sign", target_mode: TargetMode = "eval") -> None:
        super().__init__(target_mode=target_mode)
        if kind not in ("sign", "uniform"):
            raise LabError(f"Noise is of kind sign or uniform, got {kind!r}.")
        self.kind = kind

    def perturb(
        self, model: ClusteringModel, views: Views, budget: Budget, *, generator: torch.Generator
    ) -> Iterator[Step]:
        """One step; the base class scales l2 noise to the budget."""
        draws = tuple(2 * uniform(view, generator) - 1 for view in views)
        if self.kind == "sign":
            draws = tuple(draw.sign() for draw in draws)
        yield Step(tuple(view + budget.epsilon * draw for view, draw in zip(views, draws, strict=True)))
