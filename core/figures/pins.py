"""Runs that are pinned beside the present one: as short text for the address, as rows of a table."""

from collections.abc import Mapping

from core.errors import LabError
from core.figures import words
from core.records import AttackSpec, SweepScores, SweepSpec

MOST = 4
_FIELDS = 9


def as_text(spec: SweepSpec) -> str:
    """Data set, model, attack, ε, samples, seed, views, steps, objective; grid, norm and mode are the usual ones."""
    attack = spec.attack
    views = "all" if attack.views is None else ".".join(map(str, attack.views))
    fields = (attack.dataset, attack.model, attack.attack, f"{attack.epsilon:g}", attack.samples, attack.seed)
    return "~".join(map(str, (*fields, views, attack.steps, attack.objective)))


def from_text(text: str) -> SweepSpec | None:
    """The spec that :func:`as_text` wrote, or None if the text says none."""
    fields = text.split("~")
    if len(fields) != _FIELDS:
        return None
    dataset, model, attack, epsilon, samples, seed, views, steps, objective = fields
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
            )
        )
    except (ValueError, LabError):
        return None


def name(spec: SweepSpec) -> str:
    """A run in a few words: what differs between runs that people compare."""
    attack = spec.attack
    goal = f" ({attack.objective}, {attack.steps} steps)" if attack.attack == "pgd" else ""
    goal = f" ({attack.objective})" if attack.attack == "fgsm" else goal
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
