"""From a recipe to the phases that ``fit`` runs: the only place that unpacks recipes into networks and losses."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from core.attacks.base import Budget
from core.attacks.gan import GanObjective
from core.attacks.generators import make_discriminators, make_generators
from core.attacks.latent import LatentObjective, PerturbationNetworks
from core.attacks.pgd import ProjectedGradientDescent
from core.augmentation import AUGMENTATIONS
from core.defenses import DEFENSES
from core.defenses.robust_distillation import Distillation
from core.defenses.supervised import FreeAdversary
from core.errors import LabError
from core.models import MODELS
from core.models.base import ClusteringModel, LatentModel, Shape
from core.models.classifier import Classifier, Harden
from core.models.encoders import use_precision
from core.models.initialise import initialise
from core.models.representation import Representation
from core.recipes.base import (
    AdversarialTraining,
    AttackerRecipe,
    InnerAttack,
    LatentAttackerRecipe,
    LatentDefense,
    Recipe,
    RepresentationLearning,
    RobustDistillation,
    Stage,
    SupervisedDefense,
)
from core.representation_phases import representation_phases
from core.training import Loss, Phase, Update, adam
from core.types import Views


@dataclass(frozen=True)
class Training:
    """What is trained, how, and which part of it is the result."""

    phases: tuple[Phase, ...]
    result: nn.Module
    batch_size: int
    generator: torch.Generator
    finish: Callable[[Views], None] = lambda views: None  # what is done with all samples after the last epoch


def model_training(
    recipe: Recipe,
    view_shapes: tuple[Shape, ...],
    n_clusters: int,
    *,
    seed: int,
    device: torch.device,
    hardened: tuple[LatentModel, PerturbationNetworks] | None = None,
    labels: Tensor | None = None,
) -> Training:
    """A new model and the phases that train it; the seed decides its weights and the order of the data.

    ALRDC goes on from a model that is ``hardened`` against the networks which attack it. A classifier, and nothing
    else, is told the ``labels`` (N,) of its training samples; :class:`LabError` without them.
    """
    start = torch.Generator().manual_seed(seed)  # on the CPU: same weights on every device
    model = MODELS.make(recipe.model, view_shapes=view_shapes, n_clusters=n_clusters, **recipe.model_options)
    initialise(model, start)
    use_precision(model, recipe.precision)
    model.to(device)
    result, select = model, None
    if isinstance(recipe.defense, RepresentationLearning):
        assert isinstance(model, Representation)
        phases, _ = representation_phases(recipe, model, labels, seed=seed)
    elif isinstance(recipe.defense, RobustDistillation):
        distillation = Distillation(model)
        select = _selection(recipe.defense, distillation)
        phases = _distillation_phases(recipe, recipe.defense, distillation, select)
        result = distillation.average
    elif isinstance(model, Classifier):
        phases = _supervised_phases(recipe, model, labels)
    elif isinstance(recipe.defense, LatentDefense):
        assert isinstance(model, LatentModel)
        phases = _latent_phases(recipe, recipe.defense, model, hardened, start)
    elif isinstance(recipe.defense, AdversarialTraining):
        phases = _defense_phases(recipe, recipe.defense, model)
    else:
        phases = model.phases(recipe.schedule)
    augmentation = AUGMENTATIONS.make(recipe.augmentation)
    phases = [replace(phase, augmentation=phase.augmentation or augmentation) for phase in phases]
    generator = _generator(start, device)
    finish: Callable[[Views], None] = partial(result.fit_clusters, seed=seed)
    if select is not None:
        finish = _in_order(select, lambda views: distillation.settle(), finish)
    if isinstance(model, Classifier) and labels is not None:
        finish = partial(model.finish, labels=labels)
    return Training(tuple(phases), result, recipe.batch_size, generator, finish)


def _defense_phases(recipe: Recipe, defense: AdversarialTraining, model: ClusteringModel) -> list[Phase]:
    """The warm-up on clean views and the stages of adversarial training, all with one optimiser."""
    optimizer = adam(model.parameters(), recipe.schedule.learning_rate)

    def phase(name: str, epochs: int, loss: Loss) -> Phase:
        return Phase(name, epochs, model, (Update(loss, optimizer, recipe.schedule.clip_norm),))

    phases = [phase("warm-up", defense.warm_up_epochs, model.training_terms)]
    for stage in defense.stages:
        loss = defense_loss(recipe.model, defense, stage, model)
        phases.append(phase(f"adversarial training, ε = {stage.epsilon:g}", stage.epochs, loss))
    return phases


def _supervised_phases(recipe: Recipe, model: Classifier, labels: Tensor | None) -> list[Phase]:
    """A classifier's stages, its last one with the loss that hardens it, if there is one."""
    if labels is None:
        raise LabError(f"{recipe.model} is a classifier, which is trained with labels; they are missing.")
    if not isinstance(recipe.defense, SupervisedDefense):
        return model.supervised_phases(recipe.schedule, labels)
    harden, kept = hardening(recipe.model, recipe.defense, model, recipe.batch_size)
    phases = model.supervised_phases(recipe.schedule, labels, harden, replays=recipe.defense.replays)
    if kept is None:
        return phases
    both = nn.ModuleDict({"model": model, "adversary": kept.to(labels.device)})
    return [*phases[:-1], replace(phases[-1], network=both)]


def hardening(
    name: str, defense: SupervisedDefense, model: Classifier, batch_size: int
) -> tuple[Harden, nn.Module | None]:
    """How a clean loss becomes a robust one with the recipe's numbers, and what that keeps from step to step."""
    budget = Budget(epsilon=defense.epsilon)
    if name == "free_at":
        adversary = FreeAdversary(batch_size, model.view_shapes)
        return lambda base: adversary.loss(model, budget=budget), adversary
    knobs: dict[str, Any] = {"steps": defense.steps, "step_size": defense.step_size}
    if name == "at":
        return lambda base: DEFENSES.make(name, model=model, budget=budget, **knobs), None
    knobs |= {"weight": defense.weight}
    return lambda base: DEFENSES.make(name, model=model, budget=budget, base=base, **knobs), None


def _selection(defense: RobustDistillation, distillation: Distillation) -> Callable[[Views], None] | None:
    """What compares the average with its best so far, at the ε of the last stage; None where the last one is taken."""
    if not defense.selection_steps:
        return None
    attack = _inner_attack(replace(defense.inner, steps=defense.selection_steps))
    return partial(distillation.select, attack=attack, budget=Budget(epsilon=defense.stages[-1].epsilon))


def _in_order(*calls: Callable[[Views], None]) -> Callable[[Views], None]:
    def all_of_them(views: Views) -> None:
        for call in calls:
            call(views)

    return all_of_them


def _distillation_phases(
    recipe: Recipe, defense: RobustDistillation, distillation: Distillation, select: Callable[[Views], None] | None
) -> list[Phase]:
    """The clean training that makes the teacher, and the stages in which its student is attacked."""
    student, clip_norm = distillation.student, recipe.schedule.clip_norm
    clean = Update(student.training_terms, adam(student.parameters(), recipe.schedule.learning_rate), clip_norm)
    phases = [Phase("warm-up", defense.warm_up_epochs, student, (clean,))]
    for i, stage in enumerate(defense.stages):
        loss = DEFENSES.make(
            recipe.model,
            model=distillation,
            attack=_inner_attack(defense.inner),
            budget=Budget(epsilon=stage.epsilon),
            adversarial_weight=defense.adversarial_weight,
            decay=defense.decay,
            augmentation=AUGMENTATIONS.make(defense.augmentation),
        )
        update = Update(loss, adam(student.parameters(), stage.learning_rate), clip_norm)
        name = f"distillation, ε = {stage.epsilon:g}, learning rate {stage.learning_rate:g}"
        start = None if i else distillation.begin
        refresh = select if stage.epsilon == defense.stages[-1].epsilon else None
        phase = Phase(name, stage.epochs, distillation, (update,), start=start, refresh=refresh)
        phases.append(replace(phase, batch_size=defense.batch_size))
    return phases


def _latent_phases(
    recipe: Recipe,
    defense: LatentDefense,
    model: LatentModel,
    hardened: tuple[LatentModel, PerturbationNetworks] | None,
    start: torch.Generator,
) -> list[Phase]:
    """ALRDC's defense, from the weights of the attacked model; without one, from new weights against new networks."""
    if hardened is None:
        networks = PerturbationNetworks(model.view_shapes, model.latent, (defense.gamma,))
        initialise(networks, start)
    else:
        base, networks = hardened
        model.load_state_dict(base.state_dict() | _training_parts(model), strict=True)
    device = next(model.parameters()).device
    network = networks.of(defense.gamma).to(device).requires_grad_(False)
    judge = model.judge(defense.widths)
    initialise(judge, start)
    both = nn.ModuleDict({"model": model, "judge": judge.to(device)})
    loss = DEFENSES.make(
        recipe.model,
        model=model,
        network=network,
        discriminator=judge,
        information_weight=defense.information_weight,
    )
    schedule = recipe.schedule
    update = Update(loss, adam(both.parameters(), schedule.learning_rate), schedule.clip_norm)
    return [Phase("defense", schedule.epochs, both, (update,), patience=schedule.patience)]


def _training_parts(model: ClusteringModel) -> dict[str, torch.Tensor]:
    """The weights of what a checkpoint leaves out."""
    return {k: tensor for k, tensor in model.state_dict().items() if k.split(".")[0] in model.training_only}


def _generator(start: torch.Generator, device: torch.device) -> torch.Generator:
    """Where training draws: on its device, so that nothing is copied there; on the CPU it goes on from the start."""
    if device.type == "cpu":
        return start
    return torch.Generator(device).manual_seed(int(torch.randint(2**31, (), generator=start)))


def defense_loss(name: str, defense: AdversarialTraining, stage: Stage, model: ClusteringModel) -> Loss:
    """The loss of Eq. 10 or Eq. 14 with the recipe's numbers."""
    knobs: dict[str, Any] = {
        "attack": _inner_attack(defense.inner),
        "budget": Budget(epsilon=stage.epsilon),
        "adversarial_weight": defense.adversarial_weight,
    }
    if name == "ar_dmvc_am":
        knobs |= {
            "mitigation_weight": defense.mitigation_weight,
            "direction": defense.direction,
            "detach_clean": defense.detach_clean,
        }
    hardening: Loss = DEFENSES.make(name, model=model, **knobs)
    return hardening


def _inner_attack(inner: InnerAttack) -> ProjectedGradientDescent:
    return ProjectedGradientDescent(
        steps=inner.steps, step_size=inner.step_size, objective=inner.objective, target_mode=inner.target_mode
    )


def attacker_training(recipe: AttackerRecipe, target: ClusteringModel, *, seed: int, device: torch.device) -> Training:
    """New generators and discriminators and the phases of Algorithm 1 against a target."""
    target = deepcopy(target)  # the library's own stays as it is
    use_precision(target, recipe.precision)
    start = torch.Generator().manual_seed(seed)
    knobs: dict[str, Any] = {"weight_std": recipe.weight_std, "generator": start, "device": device}
    generators = make_generators(target.view_shapes, **knobs)
    discriminators = make_discriminators(target.view_shapes, **knobs)
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
                Update(objective.discriminator_terms, adam(discriminators.parameters(), rate)),
                Update(objective.generator_terms, adam(generators.parameters(), rate)),
            ),
        )
        for name, epochs, rate in schedule
    )
    return Training(phases, generators, recipe.batch_size, _generator(start, device))


def latent_attacker_training(
    recipe: LatentAttackerRecipe, target: LatentModel, *, seed: int, device: torch.device
) -> Training:
    """New perturbation networks and the phase that trains them against a target."""
    target = deepcopy(target)  # the library's own stays as it is
    use_precision(target, recipe.precision)
    start = torch.Generator().manual_seed(seed)
    networks = PerturbationNetworks(target.view_shapes, target.latent, recipe.gammas, widths=recipe.widths)
    initialise(networks, start)
    networks.to(device)
    objective = LatentObjective(
        target=target,
        networks=networks,
        picture_weight=recipe.picture_weight,
        size_weight=recipe.size_weight,
    )
    update = Update(objective.terms, adam(networks.parameters(), recipe.learning_rate))
    phase = Phase("latent attack", recipe.epochs, networks, (update,))
    return Training((phase,), networks, recipe.batch_size, _generator(start, device))
