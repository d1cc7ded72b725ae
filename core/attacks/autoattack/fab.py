"""FAB, the fast adaptive boundary attack (Croce & Hein, ICML 2020), towards one cluster: the smallest change."""

from collections.abc import Iterator

import torch
from torch import Tensor

from core.attacks.autoattack.logit_losses import ranked
from core.attacks.base import TINY, Attack, Budget, Step, TargetMode, choose, distances, query
from core.errors import LabError
from core.models.base import ClusteringModel
from core.types import Encoding, Views

# Of its section 2: β, α_max and η.
BACKWARD = 0.9
LARGEST_BIAS = 0.1
OVERSHOOT = 1.05
BISECTIONS = 24  # of a length: its error is the longest one's / 2^24


class FastAdaptiveBoundary(Attack):
    """Steps to the linearised border of the clean cluster and of its ``rank``-th other one, pulled back to the start.

    Over all views of the budget at once, in its norm. ε only decides when to stop: the search itself is for the
    nearest picture in another cluster, which needs no step size.
    """

    def __init__(self, *, steps: int = 100, rank: int = 1, target_mode: TargetMode = "eval") -> None:
        super().__init__(target_mode=target_mode)
        if steps < 1:
            raise LabError(f"FAB needs at least 1 step, got {steps}.")
        self.n_steps = steps
        self.rank = rank

    def perturb(
        self, model: ClusteringModel, views: Views, budget: Budget, *, generator: torch.Generator
    ) -> Iterator[Step]:
        """One step an iteration: the nearest adversarial views so far, where there are none the present ones."""
        covered = budget.covers(len(views))
        with torch.no_grad():
            clean = model.encode(views)
        pair = torch.stack([clean.clusters, ranked(clean.logits, self.rank)], dim=1)  # (B, 2)

        def gap(encoding: Encoding) -> Tensor:
            own, other = encoding.logits.gather(1, pair).unbind(dim=1)
            return other - own  # above 0 beyond the border

        here, best = views, views
        best_length = torch.full_like(clean.probs[:, 0], torch.inf)
        for _ in range(self.n_steps):
            found = query(model, gap, here, covered)
            here = _towards_border(here, views, found.gain, found.gradients, budget)
            with torch.no_grad():
                moved = model.encode(here).clusters != clean.clusters
            length = distances(views, here, budget.norm)
            nearer = moved & (length < best_length)
            best, best_length = choose(nearer, here, best), torch.where(nearer, length, best_length)
            back = tuple(x + BACKWARD * (y - x) for x, y in zip(views, here, strict=True))
            here = choose(moved, back, here)
            yield Step(choose(best_length.isfinite(), best, here), objective=found.gain)
            if (best_length <= budget.epsilon).all():
                return


def _towards_border(here: Views, clean: Views, gap: Tensor, gradients: Views, budget: Budget) -> Views:
    """Between the projections of ``here`` and ``clean`` onto the border, nearer to the second the nearer it is."""
    offset = gap + _dot(gradients, tuple(x - y for x, y in zip(clean, here, strict=True)))  # of the border from clean
    step, home = reach(here, gradients, -gap, budget), reach(clean, gradients, -offset, budget)
    ahead = tuple(x + OVERSHOOT * d for x, d in zip(here, step, strict=True))
    biased = tuple(x + OVERSHOOT * d for x, d in zip(clean, home, strict=True))
    zero = tuple(torch.zeros_like(x) for x in clean)
    ours, theirs = distances(zero, step, budget.norm), distances(zero, home, budget.norm)
    bias = (ours / (ours + theirs).clamp_min(TINY)).clamp_max(LARGEST_BIAS)[:, None, None, None]
    return tuple(((1 - bias) * a + bias * b).clamp(0, 1) for a, b in zip(ahead, biased, strict=True))


def reach(start: Views, slopes: Views, rise: Tensor, budget: Budget) -> Views:
    """The smallest change d in the budget's norm with Σ slope · d = rise (B,) and start + d in [0, 1].

    Where no picture reaches it, the furthest one. By bisection of the length, since the rise grows with it.
    """
    directions = tuple(rise.sign()[:, None, None, None] * budget.direction(slope) for slope in slopes)

    def change(length: Tensor) -> Views:
        pairs = zip(start, directions, strict=True)
        return tuple((length[:, None, None, None] * u).clamp(-x, 1 - x) for x, u in pairs)

    most = 1.0 if budget.norm == "linf" else max(view[0].numel() for view in start) ** 0.5
    low, high = torch.zeros_like(rise), torch.full_like(rise, most)
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        enough = _dot(slopes, change(middle)).abs() >= rise.abs()
        low, high = torch.where(enough, low, middle), torch.where(enough, middle, high)
    return change(high)


def _dot(a: Views, b: Views) -> Tensor:
    """Σ a · b of each sample (B,), over all views."""
    return torch.stack([(x * y).flatten(1).sum(dim=1) for x, y in zip(a, b, strict=True)]).sum(dim=0)
