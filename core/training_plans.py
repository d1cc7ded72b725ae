"""What a training will do, become and cost, reckoned before it starts from recipes and from the cards there are."""

from dataclasses import replace
from math import prod

from core.checkpoints import weights_path
from core.data import DATASET_FACTS
from core.errors import LabError
from core.library import Library
from core.recipes.base import AdversarialTraining, AttackerRecipe, Recipe
from core.records import CheckpointCard, TrainSpec
from core.training_intents import Intent, command, intend
from core.training_records import RecipeNumbers, TrainingPlan
from core.workload import epochs, steps, trial_runs, whole_runs, work

TIMES_SLOWER = 2.5  # float32 than bfloat16 on a processor that has it: what README measured
STATE = 3  # weights and Adam's two moments
NOTHING_LIKE_IT = "No training of this model on {device} is known here; its first epoch will tell."


def plan_training(library: Library, spec: TrainSpec, *, replace_other: bool = False) -> TrainingPlan:
    """The plan of a training. Raises :class:`LabError` for what cannot be trained; reads no data."""
    intent = intend(library, spec)
    usual = recipe_numbers(library, intent)
    samples = spec.samples or usual.samples
    if samples > usual.samples:
        raise LabError(f"The training part of {spec.dataset} has {usual.samples} samples, fewer than {samples}.")
    if samples < usual.batch_size:
        raise LabError(f"A batch of {usual.batch_size} needs at least as many samples, got {samples}.")
    alike = _most_alike(library, intent)
    seconds, basis = _seconds(library, intent, samples, alike)
    stored = _stored_bytes(library, alike)
    sentence, possible = library.missing_data(spec.dataset)
    name = intent.free_name(library.checkpoints, overwrite=replace_other)
    made = [card for card in library.cards(spec.kind) if card.dataset == spec.dataset and intent.is_of(card)]
    return TrainingPlan(
        spec=spec,
        replace=replace_other,
        run=intent.run,
        command=command(spec) + (" --overwrite" if replace_other else ""),
        usual=usual,
        checkpoint=name,
        taken=intent.free_name(library.checkpoints, overwrite=False) != spec.name,
        made=bool(made),
        steps=steps(intent.values, samples),
        seconds=seconds,
        basis=basis,
        run_bytes=None if stored is None else _run_bytes(intent, stored[1]),
        checkpoint_bytes=None if stored is None else stored[0],
        data=sentence,
        possible=possible,
    )


def recipe_numbers(library: Library, intent: Intent) -> RecipeNumbers:
    """What the recipe alone says of the numbers that a spec can change."""
    spec = replace(intent.spec, samples=None, epochs=None, runs=None, epsilon=None, precision=None, latent=None)
    recipe = intend(library, spec).recipe
    training_part = DATASET_FACTS[spec.dataset].samples // 2
    if isinstance(recipe, Recipe):
        defense = recipe.defense if isinstance(recipe.defense, AdversarialTraining) else None
        return RecipeNumbers(
            samples=training_part,
            batch_size=recipe.batch_size,
            epochs=defense.stages[-1].epochs if defense else recipe.schedule.epochs,
            runs=recipe.runs,
            precision=recipe.precision,
            epsilon=None,
        )
    return RecipeNumbers(
        samples=training_part,
        batch_size=recipe.batch_size,
        epochs=recipe.epochs,
        runs=1,
        precision=recipe.precision,
        epsilon=recipe.epsilon if isinstance(recipe, AttackerRecipe) else None,
    )


def _most_alike(library: Library, intent: Intent) -> CheckpointCard | None:
    """The card that tells most of what this training will take: on this data set, in this precision, the newest."""
    spec, precision = intent.spec, intent.recipe.precision
    cards = [
        card
        for card in library.cards(spec.kind)
        if card.model == intent.model and card.device.split(":")[0] == library.device.type
    ]
    key = [(c.dataset == spec.dataset, c.recipe.get("precision") == precision, c.created) for c in cards]
    return cards[key.index(max(key))] if cards else None


def _seconds(library: Library, intent: Intent, samples: int, alike: CheckpointCard | None) -> tuple[float | None, str]:
    """The estimate, and in a sentence what it rests on."""
    if alike is None:
        return None, NOTHING_LIKE_IT.format(device=library.device.type)
    try:
        seeds, all_epochs = max(trial_runs(alike.recipe), whole_runs(alike.recipe)), epochs(alike.recipe)
        each = alike.training_seconds / (work(alike.recipe) * alike.samples)
    except (TypeError, KeyError, AttributeError, ValueError, ArithmeticError):  # a card whose recipe is not a whole one
        return None, NOTHING_LIKE_IT.format(device=library.device.type)
    seconds = each * work(intent.values) * samples
    precision = str(alike.recipe.get("precision"))
    basis = (
        f"Reckoned from the checkpoint {alike.dataset}/{alike.name}, which took {alike.training_seconds:.0f} s for "
        f"{alike.samples:,} samples, {all_epochs:,} epochs over {seeds} {'seeds' if seeds > 1 else 'seed'}, "
        f"on {alike.device} in {precision}"
    )
    if alike.dataset != intent.spec.dataset:
        ratio = _pixels(DATASET_FACTS[intent.spec.dataset].view_shapes) / _pixels(alike.view_shapes)
        seconds *= ratio
        basis += f", times {ratio:.2g} for the other size of its pictures"
    if precision != intent.recipe.precision and alike.device.startswith("cpu"):
        faster = intent.recipe.precision == "bfloat16"
        seconds *= 1 / TIMES_SLOWER if faster else TIMES_SLOWER
        basis += f", {'divided' if faster else 'times'} {TIMES_SLOWER} for {intent.recipe.precision}"
    return seconds, f"{basis}. Another machine, or a busy one, may take several times as long."


def _pixels(shapes: tuple[tuple[int, int, int], ...]) -> int:
    return sum(prod(shape) for shape in shapes)


def _stored_bytes(library: Library, alike: CheckpointCard | None) -> tuple[int, int] | None:
    """The bytes of a checkpoint, and of its weights as a training keeps them, in 32 bits."""
    if alike is None:
        return None
    try:
        size = weights_path(library.checkpoints / alike.dataset / alike.name).stat().st_size
    except OSError:
        return None
    return size, size * 32 // alike.bits


def _run_bytes(intent: Intent, weights: int) -> int:
    """What the run folder holds at most: the weights of every seed that is through, and the state of one."""
    results = trial_runs(intent.values) + whole_runs(intent.values)
    return weights * (results + STATE)
