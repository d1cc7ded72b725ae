"""Defenses of classifiers: AT, Free AT, TRADES and QTRADES. Each is a loss that is told the labels."""

from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from core.attacks.base import Budget
from core.attacks.objectives import Objective
from core.attacks.pgd import ProjectedGradientDescent
from core.losses.robust import divergence, soft_cross_entropy
from core.models.base import ClusteringModel, Shape
from core.training import SupervisedLoss
from core.types import Encoding, LossTerms, Views

TRADES_START = 0.001  # standard deviation of the noise TRADES starts from: its divergence is flat at the clean picture
Logits = Callable[[Encoding], Tensor]  # how a step reads logits (B, K) off an encoding
Base = Callable[[Encoding, Tensor], tuple[LossTerms, Logits]]  # clean encoding, targets -> loss, reading


def clean_cross_entropy(encoding: Encoding, targets: Tensor) -> tuple[LossTerms, Logits]:
    """The usual base of a robust loss: cross-entropy of the model's own logits with labels (B,)."""
    return {"cross_entropy": cross_entropy(encoding.logits, targets)}, lambda other: other.logits


def at(model: ClusteringModel, *, budget: Budget, steps: int, step_size: float) -> SupervisedLoss:
    """AT (Madry et al., ICLR 2018): cross-entropy at the views that PGD finds for it."""

    def terms(views: Views, targets: Tensor, generator: torch.Generator) -> LossTerms:
        def objective(_: Encoding, adversarial: Encoding) -> Tensor:
            return cross_entropy(adversarial.logits, targets, reduction="none")

        attack = ProjectedGradientDescent(steps=steps, step_size=step_size, objective=objective)
        adversarial_views = attack(model, views, budget, generator=generator)
        return {"adversarial_cross_entropy": cross_entropy(model.encode(adversarial_views).logits, targets)}

    return terms


def trades(
    model: ClusteringModel,
    *,
    budget: Budget,
    steps: int,
    step_size: float,
    weight: float,
    base: Base = clean_cross_entropy,
) -> SupervisedLoss:
    """TRADES (Zhang et al., ICML 2019): the clean loss, plus β times KL(p(x) ‖ p(x_adv)) at the views that PGD finds.

    PGD starts from a little Gaussian noise, as in the authors' code.
    """

    def terms(views: Views, targets: Tensor, generator: torch.Generator) -> LossTerms:
        noise = torch.randn(views[0].shape, generator=generator, device=generator.device).to(views[0])
        start = (views[0] + TRADES_START * noise, *views[1:])
        encoding = model.encode(views)
        losses, logits = base(encoding, targets)
        attack = ProjectedGradientDescent(
            steps=steps, step_size=step_size, objective=_on(divergence, logits), start=start
        )
        adversarial = model.encode(attack(model, views, budget, generator=generator))
        return losses | {"divergence": weight * divergence(logits(encoding), logits(adversarial)).mean()}

    return terms


def qtrades(
    model: ClusteringModel,
    *,
    budget: Budget,
    steps: int,
    step_size: float,
    weight: float,
    base: Base = clean_cross_entropy,
) -> SupervisedLoss:
    """QTRADES (ClusTR, section 3.3): the clean loss, plus λ times H(p(x), p(x_adv)); one step from a random start.

    The paper's code lets the model stay in training mode while it is attacked; here it is attacked as it is used. Both
    sides of H are learnt. How a Magnet reads p off a batch is its own affair: ``ClusterBatches.clean_loss``.
    """

    def terms(views: Views, targets: Tensor, generator: torch.Generator) -> LossTerms:
        encoding = model.encode(views)
        losses, logits = base(encoding, targets)
        attack = ProjectedGradientDescent(steps=steps, step_size=step_size, objective=_on(soft_cross_entropy, logits))
        adversarial = model.encode(attack(model, views, budget, generator=generator))
        return losses | {"consistency": weight * soft_cross_entropy(logits(encoding), logits(adversarial)).mean()}

    return terms


class FreeAdversary(nn.Module):
    """Free AT's perturbation V x (B, C, H, W): kept from one batch to the next, moved by the gradient of training."""

    def __init__(self, batch_size: int, view_shapes: Sequence[Shape]) -> None:
        super().__init__()
        for v, shape in enumerate(view_shapes):
            self.register_buffer(f"delta{v}", torch.zeros(batch_size, *shape))

    def loss(self, model: ClusteringModel, *, budget: Budget) -> SupervisedLoss:
        """Free AT (Shafahi et al., NeurIPS 2019): cross-entropy at x + δ; the same gradient moves weights and δ.

        Each batch is to be replayed; δ goes on from one replay, and one batch, to the next.
        """

        def ascend(delta: Tensor, slope: Tensor) -> None:
            delta.copy_((delta + budget.epsilon * slope.sign()).clamp(-budget.epsilon, budget.epsilon))

        def terms(views: Views, targets: Tensor, generator: torch.Generator) -> LossTerms:
            moved = []
            for view, delta in zip(views, self.buffers(), strict=True):
                leaf = delta.clone().requires_grad_()
                leaf.register_hook(partial(ascend, delta))
                moved.append((view + leaf).clamp(0, 1))
            return {"adversarial_cross_entropy": cross_entropy(model.encode(tuple(moved)).logits, targets)}

        return terms


def _on(loss: Callable[[Tensor, Tensor], Tensor], logits: Logits) -> Objective:
    """A loss of clean and adversarial logits as what an attack maximises."""
    return lambda clean, adversarial: loss(logits(clean).detach(), logits(adversarial))
