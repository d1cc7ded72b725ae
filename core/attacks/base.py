"""What an attack is: it proposes, and the base class alone keeps the budget and the model.

Shape letters: B samples, V views, C x H x W pixels in [0, 1].
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Literal, TypeVar, final

import torch
from torch import Tensor, nn

from core.errors import LabError
from core.models.base import ClusteringModel
from core.records import check_epsilon
from core.types import Encoding, Views

Norm = Literal["linf", "l2"]
TargetMode = Literal["eval", "train"]
Model = TypeVar("Model", bound=nn.Module)

TINY = 1e-12  # keeps a direction finite where a gradient vanishes


@dataclass(frozen=True, kw_only=True)
class Budget:
    """The largest change allowed: ‖δ‖ <= epsilon in every attacked view, pixels in [0, 1].

    ``epsilon`` is on the pixel scale [0, 1] for "linf", a Euclidean length over a view's pixels for "l2".
    ``views`` are the places of the attacked views, None for all. Raises :class:`LabError` for other values.
    """

    epsilon: float
    norm: Norm = "linf"
    views: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        check_epsilon(self.epsilon, self.norm)
        if self.views is not None and not self.views:
            raise LabError("A budget must cover at least one view.")

    def covers(self, n_views: int) -> tuple[bool, ...]:
        """Whether each of ``n_views`` views may be changed. Raises :class:`LabError` for a view that is not there."""
        views = range(n_views) if self.views is None else self.views
        wrong = [v for v in views if not 0 <= v < n_views]
        if wrong:
            raise LabError(f"There is no view {wrong[0]}; this data set has views 0 to {n_views - 1}.")
        return tuple(v in views for v in range(n_views))

    def project(self, clean: Views, proposed: Views) -> Views:
        """The nearest views within the budget and the pixel range; a view not covered is the clean one itself."""
        return tuple(
            self._project_view(x, y) if covered else x
            for x, y, covered in zip(clean, proposed, self.covers(len(clean)), strict=True)
        )

    def random_start(self, clean: Views, generator: torch.Generator) -> Views:
        """Uniform noise in the linf ball, or on the l2 sphere, projected; same generator, same noise."""
        noisy = []
        for view in clean:
            if self.norm == "linf":
                noisy.append(view + self.epsilon * (2 * uniform(view, generator) - 1))
            else:
                noisy.append(view + self.epsilon * _unit(uniform(view, generator) - 0.5))
        return self.project(clean, tuple(noisy))

    def direction(self, gradient: Tensor) -> Tensor:
        """The steepest ascent direction of the norm: the sign, or the unit vector; gradient (B, C, H, W)."""
        return gradient.sign() if self.norm == "linf" else _unit(gradient)

    def _project_view(self, clean: Tensor, proposed: Tensor) -> Tensor:
        delta = proposed - clean
        if self.norm == "linf":
            delta = delta.clamp(-self.epsilon, self.epsilon)
        else:
            delta = delta * (self.epsilon / _length(delta).clamp_min(TINY)).clamp_max(1)
        return (clean + delta).clamp(0, 1)


def uniform(like: Tensor, generator: torch.Generator) -> Tensor:
    """Uniform numbers in [0, 1) of the shape, type and device of ``like``, drawn where the generator lives."""
    return torch.rand(like.shape, generator=generator, device=generator.device).to(like)


def _length(rows: Tensor) -> Tensor:
    """Euclidean length of each sample (B, 1, 1, 1)."""
    length: Tensor = torch.linalg.vector_norm(rows, dim=(1, 2, 3), keepdim=True)
    return length


def _unit(rows: Tensor) -> Tensor:
    return rows / _length(rows).clamp_min(TINY)


@dataclass(frozen=True)
class Findings:
    """What an attack of several members says of a batch when it is done."""

    members: tuple[str, ...]  # in the order in which they ran
    moved_by: Tensor  # (B,) int64, place of the first member that moved a sample to another cluster, -1 for none
    probabilities: Tensor  # (B,) bool, the model's logits look like probabilities
    zero_gradients: Tensor  # (B,) bool, the cross-entropy at the clean pictures has no gradient


@dataclass(frozen=True)
class Step:
    """One state of an attack under way."""

    views: Views  # V x (B, C, H, W), within the budget
    objective: Tensor | None = None  # (B,) what the attack maximises, at the views before this step
    distance: Tensor | None = None  # (B,) ‖δ‖ in the budget's norm, the largest over views
    progress: float | None = None  # share of the attack that is done; without it, every step is an equal share
    findings: Findings | None = None  # with the last step of an attack of several members


class Attack(ABC):
    """Knobs in the constructor, subject and budget in the call; the same attack serves every model and ε."""

    n_steps: int = 1  # that it yields, at most

    def __init__(self, *, target_mode: TargetMode = "eval") -> None:
        if target_mode not in ("eval", "train"):
            raise LabError(f"The target's mode is eval or train, got {target_mode!r}.")
        self.target_mode: TargetMode = target_mode

    @final
    def __call__(
        self,
        model: ClusteringModel,
        views: Views,
        budget: Budget,
        *,
        generator: torch.Generator | None = None,
    ) -> Views:
        """Adversarial views V x (B, C, H, W): within the budget and [0, 1], the model unchanged.

        Without a ``generator`` a fresh one with seed 0 is used. Raises :class:`LabError` for a view not there.
        """
        last = views
        for step in self.steps(model, views, budget, generator=generator):
            last = step.views
        return last

    @final
    def steps(
        self,
        model: ClusteringModel,
        views: Views,
        budget: Budget,
        *,
        generator: torch.Generator | None = None,
    ) -> Iterator[Step]:
        """The states of the attack as they come; the last one is the result. Closing the iterator cancels it."""
        if generator is None:
            generator = torch.Generator().manual_seed(0)
        clean = tuple(view.detach() for view in views)
        budget.covers(len(clean))
        subject = still(model, training=self.target_mode == "train")
        for step in self.perturb(subject, clean, budget, generator=generator):
            projected = budget.project(clean, tuple(view.detach() for view in step.views))
            yield replace(step, views=projected, distance=distances(clean, projected, budget.norm))

    @abstractmethod
    def perturb(
        self, model: ClusteringModel, views: Views, budget: Budget, *, generator: torch.Generator
    ) -> Iterator[Step]:
        """Propose adversarial views, one step or several. The model is frozen, the views are clean."""

    def __repr__(self) -> str:
        knobs = ", ".join(f"{k}={v!r}" for k, v in vars(self).items() if isinstance(v, str | int | float))
        return f"{type(self).__name__}({knobs})"


@dataclass(frozen=True)
class Query:
    """What a model says of a batch, without a graph."""

    gain: Tensor  # (B,) what is maximised
    clusters: Tensor  # (B,)
    gradients: Views  # V x (B, C, H, W) of the gain; zero for a view that is not attacked


def query(model: ClusteringModel, gain: Callable[[Encoding], Tensor], views: Views, covered: tuple[bool, ...]) -> Query:
    """A gain of the encoding and its gradient in the covered views, from one pass forward and one back."""
    with torch.enable_grad():
        inputs = tuple(view.detach().requires_grad_() for view in views)
        encoding = model.encode(inputs)
        value = gain(encoding)  # (B,)
        attacked = [view for view, is_covered in zip(inputs, covered, strict=True) if is_covered]
        found = torch.autograd.grad(value.sum(), attacked, allow_unused=True) if value.requires_grad else ()
    slopes = iter(found or [None] * len(attacked))
    gradients = (next(slopes) if is_covered else None for is_covered in covered)
    pairs = zip(views, gradients, strict=True)
    return Query(
        value.detach(),
        encoding.clusters,
        tuple(torch.zeros_like(view) if gradient is None else gradient for view, gradient in pairs),
    )


def choose(mask: Tensor, chosen: Views, otherwise: Views) -> Views:
    """For each sample, the views of ``chosen`` where its ``mask`` (B,) is true, else of ``otherwise``."""
    return tuple(torch.where(mask[:, None, None, None], a, b) for a, b in zip(chosen, otherwise, strict=True))


def distances(clean: Views, adversarial: Views, norm: Norm) -> Tensor:
    """‖δ‖ of each sample (B,) in a norm, the largest over views."""
    order = torch.inf if norm == "linf" else 2
    pairs = zip(clean, adversarial, strict=True)
    lengths = [torch.linalg.vector_norm(y - x, ord=order, dim=(1, 2, 3)) for x, y in pairs]
    return torch.stack(lengths).amax(dim=0)


def still(model: Model, *, training: bool = False) -> Model:
    """A copy of a model to be queried: same weights, in the given mode, parameters without gradient.

    The weights are shared, not copied, and the model itself is never touched, so that several threads may attack it.
    With ``training`` batch norm uses the batch's statistics and updates copies of its running ones.
    """
    memo: dict[int, object] = {}
    for parameter in model.parameters():
        memo[id(parameter)] = nn.Parameter(parameter.detach(), requires_grad=False)
    for buffer in model.buffers():
        memo[id(buffer)] = buffer.clone() if training else buffer
    return deepcopy(model, memo).train(training)
