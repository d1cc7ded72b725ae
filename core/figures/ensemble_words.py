"""An ensemble of attacks in words: which member moved how many, and what speaks against trusting the rest."""

from core.ensemble_records import EnsembleOutcome

MEMBER_NAMES = {
    "apgd_ce": "APGD",
    "apgd_dlr": "APGD on the DLR loss",
    "fab": "FAB",
    "square": "Square",
    "gan": "the GAN",
    "transfer": "transfer from the undefended model",
}
WARNINGS = {
    "probabilities": "The model gives probabilities as logits, which hides gradients: do not trust what holds.",
    "zero_gradients": "{zero_gradients:.0%} of the samples have no gradient, so that gradient attacks are blind there.",
    "masking": "{blind} moved under what asks for no gradient, after gradient attacks had left them: a sign of masked "
    "gradients, or of too few steps.",
}


def member_name(member: str) -> str:
    """A member's name for the screen: ``"pgd_assignment"`` is "PGD on the assignment"."""
    if member.startswith("pgd_"):
        goal = member.removeprefix("pgd_")
        return "PGD on both objectives" if goal == "both" else f"PGD on the {goal}"
    return MEMBER_NAMES.get(member, member.replace("_", " "))


def sentence(outcome: EnsembleOutcome) -> str:
    """Who moved how many, how many stay, and every warning."""
    movers = [f"{member_name(member)} {count}" for member, count in outcome.moved.items() if count]
    told = f"Moved first by: {', '.join(movers)}." if movers else "None of its members moved any sample."
    return " ".join([told, f"{outcome.survivors} of {outcome.samples} stay.", *warnings(outcome)])


def warnings(outcome: EnsembleOutcome) -> list[str]:
    """A sentence for each sign that gradients are hidden."""
    values = {"zero_gradients": outcome.zero_gradients, "blind": outcome.blind}
    return [WARNINGS[name].format(**values) for name in outcome.warnings]
