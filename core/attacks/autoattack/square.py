"""Square Attack (Andriushchenko et al., ECCV 2020): random search by squares, which asks for no gradient."""

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from core.attacks.autoattack.logit_losses import margin
from core.attacks.base import Attack, Budget, Step, TargetMode, choose, uniform
from core.errors import LabError
from core.models.base import ClusteringModel
from core.types import Views

# Of its section 4: the share of pixels in a square, halved at these queries of every 10,000.
FIRST_SHARE = 0.8
HALVED_AT = (10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000)


def square_share(query: int, queries: int) -> float:
    """The share of a view's pixels that the square of query 1 .. ``queries`` covers."""
    place = query / queries * 10_000
    return float(FIRST_SHARE / 2 ** sum(place > limit for limit in HALVED_AT))


class Square(Attack):
    """Starts with stripes of ±ε; each query adds a square of ±2 ε to one view, kept where the margin grows.

    Views take turns. A sample that has left its cluster is left alone, and the attack ends when all have. For an l2
    budget a square has the budget's length, and the projection does the rest; the paper's own L2 search differs.
    """

    def __init__(self, *, queries: int = 5000, target_mode: TargetMode = "eval") -> None:
        super().__init__(target_mode=target_mode)
        if queries < 1:
            raise LabError(f"Square needs at least 1 query, got {queries}.")
        self.n_steps = queries

    def perturb(
        self, model: ClusteringModel, views: Views, budget: Budget, *, generator: torch.Generator
    ) -> Iterator[Step]:
        """One step a query; the stripes are the first."""
        attacked = [v for v, covered in enumerate(budget.covers(len(views))) if covered]
        with torch.no_grad():
            labels = model.encode(views).clusters
        best = budget.project(views, tuple(view + _stripes(view, budget, generator) for view in views))
        best_margin = _margin(model, best, labels)
        yield Step(best, objective=best_margin)
        for i in range(2, self.n_steps + 1):
            if (best_margin > 0).all():
                return
            v = attacked[i % len(attacked)]
            changed = list(best)
            changed[v] = best[v] + _square(best[v], budget, square_share(i, self.n_steps), generator)
            proposed = budget.project(views, tuple(changed))
            value = _margin(model, proposed, labels)
            better = (value > best_margin) & (best_margin <= 0)
            best, best_margin = choose(better, proposed, best), torch.where(better, value, best_margin)
            yield Step(best, objective=best_margin)


def _margin(model: ClusteringModel, views: Views, labels: Tensor) -> Tensor:
    with torch.no_grad():
        return margin(model.encode(views).logits, labels)


def _stripes(view: Tensor, budget: Budget, generator: torch.Generator) -> Tensor:
    """Vertical stripes one pixel wide, ±ε in each channel, or of length ε; like ``view`` (B, C, H, W)."""
    signs = _signs(view[:, :, :1], generator).expand_as(view)
    return budget.epsilon * budget.direction(signs)


def _square(view: Tensor, budget: Budget, share: float, generator: torch.Generator) -> Tensor:
    """A square of 2 ε somewhere in each picture, one sign a channel; zero elsewhere; like ``view`` (B, C, H, W)."""
    height, width = view.shape[2:]
    side = min(max(round(math.sqrt(share * height * width)), 1), height, width)
    inside = _interval(view, height, side, generator)[:, None, :, None]
    inside = inside & _interval(view, width, side, generator)[:, None, None, :]
    signs = _signs(view[:, :, :1, :1], generator)
    return 2 * budget.epsilon * budget.direction(signs * inside)


def _interval(view: Tensor, length: int, side: int, generator: torch.Generator) -> Tensor:
    """``side`` neighbouring places of ``length``, drawn for each sample: (B, length) bool."""
    start = (uniform(view[:, 0, 0, :1], generator) * (length - side + 1)).floor()  # (B, 1)
    places = torch.arange(length, device=view.device)
    return (places >= start) & (places < start + side)


def _signs(like: Tensor, generator: torch.Generator) -> Tensor:
    """±1 at random."""
    return (uniform(like, generator) < 0.5).to(like) * 2 - 1
