"""What a training spec decides before any data are read: the recipe, the opponent, the names."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from core.checkpoints import load_card
from core.data import DATASET_FACTS, DATASETS
from core.errors import LabError
from core.library import Library
from core.models import MODELS
from core.recipes import BY_PROTOCOL, RECIPES, alrdc, datasets_of, models_of, recipe_name
from core.recipes.base import (
    AdversarialTraining,
    AttackerRecipe,
    LatentAttackerRecipe,
    LatentDefense,
    Recipe,
    RobustDistillation,
)
from core.records import ATTACKER_KINDS, CheckpointCard, TrainSpec, digest

OPTIONS: dict[str, Callable[[str], Any]] = {  # of ``core train`` in the order of a command line, with their types
    "protocol": str,
    "seed": int,
    "samples": int,
    "epochs": int,
    "runs": int,
    "epsilon": float,
    "precision": str,
    "latent": int,
}


@dataclass(frozen=True)
class Intent:
    """What a training spec decides before any data are read."""

    spec: TrainSpec
    recipe: Recipe | AttackerRecipe | LatentAttackerRecipe
    model: str  # the name in MODELS, an attacker's target's too
    runs: int
    target: CheckpointCard | None  # what an attacker attacks; the attacker that ALRDC hardens against

    @property
    def values(self) -> dict[str, Any]:
        """The recipe as the card has it."""
        return recipe_values(self.recipe)

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of all that decides the result."""
        return digest(
            {
                "spec": asdict(self.spec),
                "recipe": self.values,
                "runs": self.runs,
                "target": self.target.sha256 if self.target else None,
            }
        )

    @property
    def run(self) -> str:
        """The name of the run folder."""
        return f"{self.spec.dataset}-{self.spec.name}-{self.digest[:8]}"

    def is_of(self, card: CheckpointCard) -> bool:
        """Whether the card is of a checkpoint that this very training made."""
        target = self.target.sha256 if self.target else None
        return (card.command, card.recipe, card.target_sha256) == (command(self.spec), self.values, target)

    def free_name(self, checkpoints: Path, *, overwrite: bool) -> str:
        """The spec's name, unless another training's checkpoint has it."""
        try:
            taken = load_card(checkpoints, self.spec.dataset, self.spec.name)
        except LabError:
            return self.spec.name  # absent or damaged
        return self.spec.name if overwrite or self.is_of(taken) else f"{self.spec.name}-{self.digest[:8]}"


def intend(library: Library, spec: TrainSpec) -> Intent:
    """What the spec decides. Raises :class:`LabError` for an unknown name and an attacker's missing target."""
    if spec.kind == "model":
        recipe = model_recipe(spec)
        return Intent(spec, recipe, recipe.model, recipe.runs, _opponent(library, spec, recipe))
    target = library.card(spec.dataset, spec.model)
    return Intent(spec, attacker_recipe(spec, target.model), target.model, 1, target)


def _opponent(library: Library, spec: TrainSpec, recipe: Recipe) -> CheckpointCard | None:
    """The attacker that ALRDC hardens against. Raises :class:`LabError` with the command that makes what is missing."""
    if not isinstance(recipe.defense, LatentDefense):
        return None
    base = replace(spec, model=recipe.defense.base, runs=None, epochs=None, precision=None)
    name = f"{spec.dataset}/{base.name}"
    cards = {card.name: card for card in library.cards("model") if card.dataset == spec.dataset}
    attacker = library.latent_attacker(cards[base.name]) if base.name in cards else None
    if attacker is None:
        raise LabError(
            f"{spec.model} hardens {name} against the networks that attack it: first make them with "
            f"{command(base) if base.name not in cards else f'python -m core train {name}.latent'}."
        )
    return attacker


def recipe_values(recipe: Recipe | AttackerRecipe | LatentAttackerRecipe) -> dict[str, Any]:
    """A recipe as a card has it."""
    values: dict[str, Any] = json.loads(json.dumps(asdict(recipe)))
    values.pop("attacker", None)  # its own card has it
    return values


def repeats(spec: TrainSpec, card: CheckpointCard) -> bool:
    """Whether a model's training is a checkpoint's but for its seed and its precision."""
    ours, theirs = ({**values, "precision": ""} for values in (recipe_values(model_recipe(spec)), card.recipe))
    return ours == theirs and (spec.samples or DATASET_FACTS[spec.dataset].samples // 2) == card.samples


def command(spec: TrainSpec) -> str:
    """The command line that makes this checkpoint."""
    name = spec.name if spec.kind in ATTACKER_KINDS else spec.model
    words = [f"python -m core train {spec.dataset}/{name}"]
    for option in OPTIONS:
        value = getattr(spec, option)
        if value != getattr(TrainSpec(dataset="", model=""), option):
            words.append(f"--{option} {value}")
    return " ".join(words)


def training_of(card: CheckpointCard) -> TrainSpec | None:
    """The training of a model whose :func:`command` its card holds; None where the card holds something else."""
    words = card.command.replace("--", "").split()[5:]  # behind "python -m core train" and the name
    try:
        given = {option: OPTIONS[option](value) for option, value in zip(words[::2], words[1::2], strict=True)}
        spec = TrainSpec(dataset=card.dataset, model=card.model, **given)
    except (KeyError, ValueError, LabError):
        return None
    return spec if command(spec) == card.command else None


def model_recipe(spec: TrainSpec) -> Recipe:
    """The recipe of a model with what the spec says otherwise. Raises :class:`LabError` for an unknown name."""
    recipe = _usual_recipe(spec, spec.model)
    if spec.latent is not None:
        if spec.model not in alrdc.MODELS:
            raise LabError(f"Only the latent of {', '.join(alrdc.MODELS)} has a size to choose; leave --latent out.")
        recipe = alrdc.with_latent(recipe, spec.latent)
    return _with_epochs(replace(recipe, **_changes(spec, "runs", "precision")), spec.epochs)


def _usual_recipe(spec: TrainSpec, model: str) -> Recipe:
    for registry, name in ((DATASETS, spec.dataset), (MODELS, model), (BY_PROTOCOL, spec.protocol)):
        registry[name]  # the shorter answer to a wrong name
    if model not in models_of(spec.dataset):
        raise LabError(
            f"There is no recipe for {model} on {spec.dataset}. On it go {', '.join(models_of(spec.dataset))}; "
            f"{model} goes on {', '.join(datasets_of(model))}."
        )
    return RECIPES.make(recipe_name(spec.dataset, model, spec.protocol))


def attacker_recipe(spec: TrainSpec, model: str) -> AttackerRecipe | LatentAttackerRecipe:
    """The recipe of an attacker of a ``model`` in MODELS, with what the spec says otherwise."""
    recipe = _usual_recipe(spec, model).attacker
    if isinstance(recipe, LatentAttackerRecipe) != (spec.kind == "latent"):
        name = f"{spec.dataset}/{spec.model}.{'latent' if isinstance(recipe, LatentAttackerRecipe) else 'gan'}"
        raise LabError(f"{model} has another kind of attacker: python -m core train {name}.")
    recipe = replace(recipe, **_changes(spec, "epsilon", "precision"))
    if spec.epochs is None or isinstance(recipe, LatentAttackerRecipe):
        return replace(recipe, **_changes(spec, "epochs"))
    return replace(recipe, epochs=spec.epochs, late_epochs=spec.epochs // 2)  # two to one, as released


def _with_epochs(recipe: Recipe, epochs: int | None) -> Recipe:
    """The recipe with that many epochs; of a defense with stages, in its last one."""
    if epochs is None or not isinstance(recipe.defense, AdversarialTraining | RobustDistillation):
        return recipe if epochs is None else replace(recipe, schedule=replace(recipe.schedule, epochs=epochs))
    defense: Any = recipe.defense  # of either kind
    *earlier, last = defense.stages
    return replace(recipe, defense=replace(defense, stages=(*earlier, replace(last, epochs=epochs))))


def _changes(spec: TrainSpec, *names: str) -> dict[str, Any]:
    """What the spec says otherwise than the recipe."""
    return {name: getattr(spec, name) for name in names if getattr(spec, name) is not None}
