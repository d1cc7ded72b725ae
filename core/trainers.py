"""From a recipe to the phases that ``fit`` runs: the only place that unpacks recipes into networks and losses."""

from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.optim import Adam

from core.attacks.base import Budget
from core.attacks.gan import GanObjective
from core.attacks.generators import make_discriminators, make_generators
from core.attacks.pgd import ProjectedGradientDescent
from core.augmentation import AUGMENTATIONS
from core.defenses import DEFENSES
from core.models import MODELS
from core.models.base import ClusteringModel, Shape
from core.models.encoders import use_precision
from core.models.initialise import initialise
from core.recipes.base import AdversarialTraining, AttackerRecipe, Recipe, Stage
from core.training import Loss, Phase, Update
from core.types import LossTerms, Views


@dataclass(frozen=True)
class Training:
    """What is trained, how, and which part of it is the result."""

    phases: tuple[Phase, ...]
    result: nn.Module
    batch_size: int
    generator: torch.Generator


def model_training(
    recipe: Recipe, view_shapes: tuple[Shape, ...], n_clusters: int, *, seed: int, device: torch.device
) -> Training:
    """A new model and the phases that train it; the seed decides its weights and the order of the data."""
    generator = torch.Generator().manual_seed(seed)
    options = recipe.model_options
    model = MODELS.make(recipe.model, view_shapes=view_shapes, n_clusters=n_clusters, **options)
    initialise(model, generator)
    use_precision(model, recipe.precision)
    model.to(device)
    optimizer = Adam(model.parameters(), lr=recipe.learning_rate)
    augmentation = AUGMENTATIONS.make(recipe.augmentation)

    def phase(name: str, epochs: int, loss: Loss) -> Phase:
        return Phase(name, epochs, model, (Update(loss, optimizer, recipe.clip_norm),), augmentation)

    defense = recipe.defense
    if defense is None:
        phases = [phase("clustering", recipe.epochs, clean_loss(model))]
    else:
        phases = [phase("warm-up", defense.warm_up_epochs, clean_loss(model))]
        for stage in defense.stages:
            loss = defense_loss(recipe.model, defense, stage, model)
            phases.append(phase(f"adversarial training, ε = {stage.epsilon:g}", stage.epochs, loss))
    return Training(tuple(phases), model, recipe.batch_size, generator)


def clean_loss(model: ClusteringModel) -> Loss:
    """The model's own loss on the batch."""

    def terms(views: Views, generator: torch.Generator) -> LossTerms:
        return model.loss_terms(views, model.encode(views))

    return terms


def defense_loss(name: str, defense: AdversarialTraining, stage: Stage, model: ClusteringModel) -> Loss:
    """The loss of Eq. 10 or Eq. 14 with the recipe's numbers."""
    inner = defense.inner
    knobs: dict[str, Any] = {
        "attack": ProjectedGradientDescent(
            steps=inner.steps,
            step_size=inner.step_size,
            objective=inner.objective,
            target_mode=inner.target_mode,
        ),
        "budget": Budget(epsilon=stage.epsilon),
        "adversarial_weight": defense.adversarial_weight,
    }
    if name == "ar_dmvc_am":
        knobs |= {
            "mitigation_weight": defense.mitigation_weight,
            "direction": defense.direction,
            "detach_clean": defense.detach_clean,
        }
    return DEFENSES.make(name, model=model, **knobs)


def attacker_training(recipe: AttackerRecipe, target: ClusteringModel, *, seed: int, device: torch.device) -> Training:
    """New generators and discriminators and the phases of Algorithm 1 against a target."""
    target = deepcopy(target)  # the library's own stays as it is
    use_precision(target, recipe.precision)
    generator = torch.Generator().manual_seed(seed)
    start: dict[str, Any] = {"weight_std": recipe.weight_std, "generator": generator, "device": device}
    generators = make_generators(target.view_shapes, **start)
    discriminators = make_discriminators(target.view_shapes, **start)
    objective = GanObjective(
        target=target,
        generators=generators,
        discriminators=discriminators,
        budget=Budget(epsilon=recipe.epsilon),
        complementarity_weight=recipe.complementarity_weight,
        consistency_weight=recipe.consistency_weight,
        constraint_weight=recipe.constraint_weight,
        distance=recipe.distance,
        constraint=recipe.constraint,
        gan_loss=recipe.gan_loss,
        consensus=recipe.consensus,
        target_mode=recipe.target_mode,
    )
    both = nn.ModuleDict({"generators": generators, "discriminators": discriminators})
    schedule = [("attack", recipe.epochs, recipe.learning_rate)]
    if recipe.late_epochs:
        schedule.append(("late attack", recipe.late_epochs, recipe.late_learning_rate))
    phases = tuple(
        Phase(
            name,
            epochs,
            both,
            (
                Update(objective.discriminator_terms, Adam(discriminators.parameters(), lr=rate)),
                Update(objective.generator_terms, Adam(generators.parameters(), lr=rate)),
            ),
        )
        for name, epochs, rate in schedule
    )
    return Training(phases, generators, recipe.batch_size, generator)
