"""Runs that are pinned beside the present one: as short text for the address, as rows of a table."""

import re
from collections.abc import Mapping

from core.errors import LabError
from core.figures import words
from core.records import AttackSpec, SweepScores, SweepSpec

MOST = 4
MOST_SAMPLES, MOST_STEPS, LARGEST_SEED = 1024, 100, 9999  # what the pickers offer: a link asks for no longer work
_NAME = r"[a-z0-9_.-]{1,60}"
_NUMBER = r"[0-9]{1,5}"
_TEXT = re.compile(  # as_text's; nothing in it is read as Markdown or HTML
    rf"{_NAME}~{_NAME}~{_NAME}~[0-9.e-]{{1,12}}~{_NUMBER}~{_NUMBER}~(all|[0-9](\.[0-9]){{0,7}})~{_NUMBER}~{_NAME}"
    r"(~[0-9.e-]{1,12})?"
)


def as_text(spec: SweepSpec) -> str:
    """Data set, model, attack, ε, samples, seed, views, steps, objective, and a step size that is not the usual one.

    Grid, norm and mode are the usual ones.
    """
    attack = spec.attack
    views = "all" if attack.views is None else ".".join(map(str, attack.views))
    fields = (attack.dataset, attack.model, attack.attack, f"{attack.epsilon:g}", attack.samples, attack.seed)
    size = () if attack.relative_step_size is None else (f"{attack.relative_step_size:g}",)
    return "~".join(map(str, (*fields, views, attack.steps, attack.objective, *size)))


def from_text(text: str) -> SweepSpec | None:
    """The spec that :func:`as_text` wrote, or None if the text says none."""
    if not _TEXT.fullmatch(text):
        return None
    dataset, model, attack, epsilon, samples, seed, views, steps, objective, *size = text.split("~")
    if int(samples) > MOST_SAMPLES or int(steps) > MOST_STEPS or int(seed) > LARGEST_SEED:
        return None
    try:
        return SweepSpec(
            attack=AttackSpec(
                dataset=dataset,
                model=model,
                attack=attack,
                epsilon=float(epsilon),
                samples=int(samples),
                seed=int(seed),
                views=None if views == "all" else tuple(map(int, views.split("."))),
                steps=int(steps),
                objective=objective,
                relative_step_size=float(size[0]) if size else None,
            )
        )
    except (ValueError, LabError):
        return None


def name(spec: SweepSpec) -> str:
    """A run in a few words: what differs between runs that people compare."""
    attack = spec.attack
    aim = words.objective_label(attack.objective)
    goal = f" ({aim}, {words.steps_text(attack)})" if attack.attack == "pgd" else ""
    goal = f" ({aim})" if attack.attack == "fgsm" else goal
    goal = f" ({words.steps_text(attack)})" if attack.attack == "ensemble" else goal
    views = "" if attack.views is None else f", view {', '.join(str(v + 1) for v in attack.views)} only"
    return (
        f"{words.attack_name(attack.attack)}{goal} on {words.model_name(attack.model)}, {attack.dataset}{views}, "
        f"{attack.samples} samples, seed {attack.seed}"
    )


def rows(runs: Mapping[str, SweepScores]) -> list[dict[str, object]]:
    """A row of numbers for each named run, at its largest ε, beside the first: columns by name."""
    found = []
    first = next(iter(runs.values())).attack[-1].frozen.accuracy if runs else 0.0
    for label, run in runs.items():
        clean, last = run.attack[0], run.attack[-1]
        noise = run.controls.get("noise")
        found.append(
            {
                "run": label,
                "ε": run.spec.attack.epsilon,
                "ACC clean": clean.frozen.accuracy,
                "ACC": last.frozen.accuracy,
                "to the first": last.frozen.accuracy - first,
                "ACC re-matched": last.rematched.accuracy,
                "NMI": last.frozen.nmi,
                "ARI": last.frozen.ari,
                "moved": last.changed,
                "ACC under noise": noise[-1].frozen.accuracy if noise else None,
            }
        )
    return found
