"""Whether a model holds under an attack, and up to which ε: one rule for every screen; and which attack is stronger."""

from collections.abc import Sequence
from dataclasses import replace

from core.ensemble_records import FULL_STEPS
from core.figures import words
from core.records import AttackScores, AttackSpec, SweepReport, SweepScores, SweepSpec

HOLDS = 0.9  # share of its clean ACC that a model must keep
RULE = (
    f"A model holds up to an ε if its ACC, matching frozen on the clean samples, stays at or above {HOLDS:.0%} of its "
    "clean value at every ε of the grid up to there."
)
STEPS = (10, 40, 100)  # of PGD on the assignment: the more, the stronger; beyond it there is the ensemble
ROUNDING = 1e-9
NOTICEABLE = 0.005  # of ACC: half of the last digit shown

Result = SweepReport | SweepScores


def rows(result: Result) -> tuple[AttackScores, ...]:
    """The scores of the attack at every ε that is there; the first is clean."""
    return result.attack if isinstance(result, SweepScores) else tuple(frame.scores for frame in result.frames)


def control(result: Result, name: str) -> tuple[AttackScores, ...]:
    """The scores of a control at every ε that is there."""
    return result.controls[name] if isinstance(result, SweepScores) else tuple(f.controls[name] for f in result.frames)


def accuracies(result: Result) -> list[float]:
    """ACC with the frozen matching at every ε that is there."""
    return [scores.frozen.accuracy for scores in rows(result)]


def holds(value: float, clean: float) -> bool:
    """Whether an ACC is at least HOLDS of the clean one."""
    return value >= HOLDS * clean - ROUNDING


def held(values: Sequence[float]) -> int:
    """The last place up to which every value is at least HOLDS of the first."""
    fallen = [i for i, value in enumerate(values) if not holds(value, values[0])]
    return fallen[0] - 1 if fallen else len(values) - 1


def stronger(spec: SweepSpec) -> SweepSpec | None:
    """The same sweep by PGD on the assignment, with more steps if it is that already; then the ensemble; then None."""
    attack = replace(spec.attack, relative_step_size=None)
    if attack.attack == "ensemble" and attack.steps >= FULL_STEPS:
        return None
    steps: int | None = STEPS[0]
    if attack.attack == "pgd" and attack.objective == "assignment":
        steps = next((n for n in STEPS if n > attack.steps), None)
    elif attack.attack == "pgd":
        steps = max(attack.steps, STEPS[0])
    if steps is None or attack.attack == "ensemble":
        return replace(spec, attack=replace(attack, attack="ensemble", objective="both", steps=FULL_STEPS))
    return replace(spec, attack=replace(attack, attack="pgd", objective="assignment", steps=steps))


def phrase(attack: AttackSpec) -> str:
    """An attack with the choices that tell it from others: "PGD on the assignment (10 steps)"."""
    name = words.attack_name(attack.attack)
    if attack.attack == "ensemble":
        return f"the ensemble ({words.steps_text(attack)})"
    if attack.attack not in words.GRADIENT_ATTACKS:
        return name
    goal = {"both": "both objectives", "contrastive": "the contrastive loss"}.get(
        attack.objective, f"the {attack.objective}"
    )
    return f"{name} on {goal}" + (f" ({words.steps_text(attack)})" if attack.attack == "pgd" else "")


def holding(spec: SweepSpec, values: Sequence[float]) -> str:
    """Up to where the ACC ``values`` hold, as the rest of a sentence about the model."""
    last, epsilons = held(values), spec.epsilons
    if last < len(values) - 1:
        reached = f"holds up to ε = {words.epsilon_text(epsilons[last])}"
        return reached if last else f"does not hold even at ε = {words.epsilon_text(epsilons[1])}"
    if len(values) == spec.points:
        return f"holds over the whole range, up to ε = {words.epsilon_text(epsilons[-1])}"
    return f"holds so far, up to ε = {words.epsilon_text(epsilons[last])}" if last else "has not been attacked yet"


def contradicted(value: float, under_stronger: float | None) -> bool:
    """Whether a stronger attack leaves noticeably less ACC, as far as it is known."""
    return under_stronger is not None and under_stronger < value - NOTICEABLE


def is_within(worst: SweepScores, spec: SweepSpec, frame: int) -> bool:
    """Whether all that the ensemble tried is allowed in that frame of the sweep."""
    strongest, attack = worst.spec.attack, spec.attack
    alike = (strongest.views, strongest.norm) == (attack.views, attack.norm)
    return alike and strongest.epsilon <= spec.epsilons[frame] + ROUNDING


def at_worst(worst: SweepScores, spec: SweepSpec) -> str:
    """What the whole ensemble leaves, in a sentence."""
    clean, left = (scores.frozen.accuracy for scores in worst.attack)
    strongest = worst.spec.attack
    of = "" if strongest.samples == spec.attack.samples else f" ({strongest.samples} samples)"
    return f"The whole ensemble leaves {left:.2f} of {clean:.2f} at ε = {words.epsilon_text(strongest.epsilon)}{of}."


def caveat(
    spec: SweepSpec, values: Sequence[float], result: Result | None, frame: int, worst: SweepScores | None = None
) -> str:
    """What is known of stronger attacks in that frame, in a few sentences; ``worst`` is what the ensemble left."""
    if worst is None or stronger(spec) is None:
        return _caveat(spec, values, result, frame)
    if result is not None:
        first = _caveat(spec, values, result, frame)
    else:
        first = (
            ""
            if frame == 0 or is_within(worst, spec, frame)
            else "Not checked against a stronger attack at this ε yet."
        )
    return f"{first} {at_worst(worst, spec)}".strip()


def _caveat(spec: SweepSpec, values: Sequence[float], result: Result | None, frame: int) -> str:
    harder = stronger(spec)
    if harder is None:
        return "This is the strongest attack the lab has; that does not mean that there is none stronger."
    if result is None:
        return "Not checked against a stronger attack yet."
    left, name = accuracies(result), phrase(harder.attack)
    if frame >= len(left):
        return f"{name} has not come to this ε yet."
    if frame == 0:
        return f"Under {name} it {holding(harder, left)}."
    if frame < len(values) and contradicted(values[frame], left[frame]):
        return f"But {name} leaves {left[frame]:.2f} here; under it, it {holding(harder, left)}."
    return f"{name} leaves {left[frame]:.2f} here, no less; under it, it {holding(harder, left)}."
