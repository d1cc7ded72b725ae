"""How much work a training is, in epochs of plain training, read off a recipe's values as a card has them."""

from collections.abc import Mapping, Sequence
from typing import Any

from core.records import EpochLog

Values = Mapping[str, Any]  # dataclasses.asdict of a Recipe or an AttackerRecipe


def trial_runs(recipe: Values) -> int:
    """How many seeds are trained through a defense's warm-up alone, to choose one; 0 where all are trained whole."""
    defense = _stages(recipe)
    return int(recipe["runs"]) if defense and defense["warm_up_epochs"] and recipe["runs"] > 1 else 0


def whole_runs(recipe: Values) -> int:
    """How many seeds are trained from start to end."""
    return 1 if trial_runs(recipe) else int(recipe.get("runs", 1))


def epochs(recipe: Values) -> int:
    """All epochs over all seeds, trials included."""
    return round(_sum(recipe, adversarial=1.0))


def steps(recipe: Values, samples: int) -> int:
    """All steps over all seeds; a defense may take other batches than the training before it."""
    learning = _learning(recipe)
    if learning is not None:
        sizes = (recipe["batch_size"], _second(learning)["batch_size"], learning["fine_tuning"]["batch_size"])
        return sum(n * (samples // size) for n, size in zip(_lengths(recipe, learning), sizes, strict=True))
    size = int(recipe["batch_size"])
    other = int((recipe.get("defense") or {}).get("batch_size", size))
    return round(_sum(recipe, adversarial=(samples // other) / (samples // size)) * (samples // size))


def work(recipe: Values) -> float:
    """All epochs over all seeds, an adversarial one counted as the several it costs."""
    return _sum(recipe, adversarial=_adversarial_epoch(recipe))


def progress(recipe: Values, trials: Sequence[EpochLog], logs: Sequence[EpochLog]) -> float:
    """The share of the work that these finished epochs are, 0 to 1; without a recipe, of the epochs."""
    if not _stages(recipe):
        return _share(logs)
    each = _adversarial_epoch(recipe)
    done = len(trials) + sum(1.0 if log.phase == "warm-up" else each for log in logs)
    return min(1.0, done / work(recipe))


def _stages(recipe: Values) -> Any:
    """The defense, where it has a warm-up and stages of its own; ALRDC's is a schedule like any other's."""
    defense = recipe.get("defense")
    return defense if defense and "stages" in defense else None


def _learning(recipe: Values) -> Any:
    """How a representation is learned, where the defense is that: its stages are the schedule's, and a head's."""
    defense = recipe.get("defense")
    return defense if defense and "fine_tuning" in defense else None


def _second(learning: Any) -> Any:
    return (learning["second"] or {"optimisation": learning["first"]})["optimisation"]


def _lengths(recipe: Values, learning: Any) -> tuple[int, int, int]:
    """Epochs of the first stage, of what comes after it, and of the head."""
    schedule, second = recipe["schedule"], learning["second"]
    if second is None:
        return schedule["epochs"], 0, learning["fine_tuning"]["epochs"]
    later = schedule["epochs"] + sum((second["afterwards"] or (0, 0, 0))[1:])
    return schedule["pretraining_epochs"], later, learning["fine_tuning"]["epochs"]


def _share(logs: Sequence[EpochLog]) -> float:
    """Seeds that are through, and what there is of the last; a seed may end before its last epoch."""
    if not logs:
        return 0.0
    last = logs[-1]
    return (last.run - 1 + last.epoch / last.epochs) / last.runs


def _adversarial_epoch(recipe: Values) -> float:
    """What an epoch costs that attacks every batch first: the clean and the adversarial pass, and each PGD step."""
    learning = _learning(recipe)
    if learning is not None:
        return 2.0 + (learning["second"]["inner"]["steps"] if learning["second"] else 0)
    defense = _stages(recipe)
    return 2.0 + defense["inner"]["steps"] if defense else 1.0


def _sum(recipe: Values, *, adversarial: float) -> float:
    if "schedule" not in recipe:  # an attacker's
        return float(recipe["epochs"] + recipe.get("late_epochs", 0))
    learning = _learning(recipe)
    if learning is not None:
        first, second, head = _lengths(recipe, learning)
        whole: float = recipe["runs"] * (first + adversarial * second + head)
        return whole
    defense = _stages(recipe)
    if defense is None:
        schedule = recipe["schedule"]
        return float(recipe["runs"] * (schedule["pretraining_epochs"] + schedule["rounds"] * schedule["epochs"]))
    hardening = adversarial * sum(stage["epochs"] for stage in defense["stages"])
    whole = defense["warm_up_epochs"] + hardening
    return float(trial_runs(recipe) * defense["warm_up_epochs"] + whole_runs(recipe) * whole)
