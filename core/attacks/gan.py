"""The paper's attack: a generator a view, trained against one target (AR-DMVC, Algorithm 1, Eq. 2-6)."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from core.attacks.base import Attack, Budget, Step, TargetMode, still
from core.attacks.generators import Generators, make_generators
from core.attacks.objectives import Consensus
from core.losses.realism import GanLoss, discriminator_loss, generator_loss, norm_hinge
from core.models.base import ClusteringModel
from core.types import Encoding, LossTerms, Views

Distance = Literal["squared_mean", "norm_mean", "norm_sum"]
Constraint = Literal["clamp", "hinge"]

UNTRAINED_STD = 1.0  # the released code's start: an untrained generator already fills the budget (facts, 4.1)


class GenerativeAttack(Attack):
    """Adds what trained generators draw; the budget cuts it to ε."""

    def __init__(self, *, generators: Generators, target_mode: TargetMode = "eval") -> None:
        super().__init__(target_mode=target_mode)
        self.generators = generators

    def perturb(
        self, model: ClusteringModel, views: Views, budget: Budget, *, generator: torch.Generator
    ) -> Iterator[Step]:
        """One step. Neither the target nor randomness takes part: the attack is a function of the pictures."""
        yield Step(_add(views, self.generators))


class UntrainedGenerator(Attack):
    """A control: the generator at the released initialisation, N(0, 1) weights, never trained."""

    def __init__(self, *, weight_std: float = UNTRAINED_STD, target_mode: TargetMode = "eval") -> None:
        super().__init__(target_mode=target_mode)
        self.weight_std = weight_std

    def perturb(
        self, model: ClusteringModel, views: Views, budget: Budget, *, generator: torch.Generator
    ) -> Iterator[Step]:
        """One step; ``generator`` draws the weights."""
        shapes = [(v.shape[1], v.shape[2], v.shape[3]) for v in views]
        networks = make_generators(shapes, weight_std=self.weight_std, generator=generator, device=views[0].device)
        yield Step(_add(views, networks))


def _add(views: Views, generators: Generators) -> Views:
    """Views plus what the generators draw on them, uncut."""
    with torch.no_grad():
        return tuple(view + drawn for view, drawn in zip(views, generators(views), strict=True))


@dataclass(frozen=True, kw_only=True)
class GanObjective:
    """Eq. 6 with every choice that the paper and the released code make differently.

    Losses are functions of a batch of views; the target is queried, never changed.
    """

    target: ClusteringModel
    generators: Generators
    discriminators: nn.ModuleList
    budget: Budget
    complementarity_weight: float  # μ1
    consistency_weight: float  # μ2
    constraint_weight: float  # μ3
    distance: Distance
    constraint: Constraint
    gan_loss: GanLoss
    consensus: Consensus
    target_mode: TargetMode

    def discriminator_terms(self, views: Views, generator: torch.Generator) -> LossTerms:
        """What the discriminators minimise: Eq. 5."""
        with torch.no_grad():
            adversarial, _ = self._perturb(views)
        scores = zip(self._scores(views), self._scores(adversarial), strict=True)
        losses = [discriminator_loss(clean, forged, kind=self.gan_loss) for clean, forged in scores]
        return {"discriminator": torch.stack(losses).sum()}

    def generator_terms(self, views: Views, generator: torch.Generator) -> LossTerms:
        """What the generators minimise: Eq. 6 with the updated discriminators."""
        adversarial, perturbations = self._perturb(views)
        target = still(self.target, training=self.target_mode == "train")
        with torch.no_grad():
            before = target.encode(views)
        after = target.encode(adversarial)
        damage = self._damage(before, after)
        return damage | {
            "constraint": self.constraint_weight * self._constraint(perturbations),
            "realism": torch.stack([generator_loss(s, kind=self.gan_loss) for s in self._scores(adversarial)]).sum(),
        }

    def _perturb(self, views: Views) -> tuple[Views, Views]:
        """Adversarial views and the perturbations behind them, with the gradient of the generators."""
        drawn = self.generators(views)
        if self.constraint == "clamp":
            drawn = tuple(d.clamp(-self.budget.epsilon, self.budget.epsilon) for d in drawn)
        covered = self.budget.covers(len(views))
        drawn = tuple(d if is_covered else d * 0 for d, is_covered in zip(drawn, covered, strict=True))
        return tuple((v + d).clamp(0, 1) for v, d in zip(views, drawn, strict=True)), drawn

    def _scores(self, views: Views) -> list[Tensor]:
        """The discriminators' probabilities (B,) of being clean: a row a view, or all views in one row (V B,).

        Eq. 5 sums over views; the released least squares are a mean over the views' scores together.
        """
        pairs = zip(self.discriminators, views, strict=True)
        scores = [discriminator(view) for discriminator, view in pairs]
        return [torch.cat(scores)] if self.gan_loss == "least_squares" else scores

    def _damage(self, before: Encoding, after: Encoding) -> LossTerms:
        """Minus the weighted Eq. 2 and Eq. 3."""
        views = [self._distance(a, b) for a, b in zip(before.embeddings, after.embeddings, strict=True)]
        consensus = self._distance(getattr(before, self.consensus), getattr(after, self.consensus))
        return {
            "complementarity": -self.complementarity_weight * torch.stack(views).sum(),
            "consistency": -self.consistency_weight * consensus,
        }

    def _distance(self, before: Tensor, after: Tensor) -> Tensor:
        """Between two batches of rows (B, D): squared_mean as printed, norm_sum as released (with its 1/2)."""
        difference = before - after
        if self.distance == "squared_mean":
            return difference.square().sum(dim=1).mean()
        lengths: Tensor = torch.linalg.vector_norm(difference, dim=1)
        return lengths.mean() if self.distance == "norm_mean" else 0.5 * lengths.sum()

    def _constraint(self, perturbations: Views) -> Tensor:
        """hinge: minus Eq. 4. clamp: the released code's mean ‖δ‖₂ of the clamped perturbation."""
        if self.constraint == "hinge":
            return torch.stack([norm_hinge(d, self.budget.epsilon) for d in perturbations]).sum()
        return torch.stack([torch.linalg.vector_norm(d, dim=(1, 2, 3)).mean() for d in perturbations]).sum()
