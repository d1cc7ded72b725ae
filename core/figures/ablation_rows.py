"""The ablations as rows of text: what was changed, and what is left under attack."""

from collections.abc import Callable, Iterator, Mapping, Sequence

from core.figures import words
from core.figures.table_words import short
from core.records import AttackScores, CheckpointCard, SweepScores, SweepSpec
from core.studies import plans
from core.studies.records import TrialRecord, TrialSpec

Row = tuple[str, ...]
KeptTrial = Callable[[TrialSpec], TrialRecord | None]
KeptSweep = Callable[[SweepSpec], SweepScores | None]

TRIAL_HEADER = ("", "clean", "signed noise", "PGD on the assignment", "GAN")
VIEW_HEADER = ("model", "attack", "clean", "all views")
STATES = ("noise", "pgd_assignment", "gan")
NOTHING_YET = "not yet"
TERM_NAMES = {
    "both": "both terms (the paper's)",
    "complementarity": "complementarity alone (μ₂ = 0)",
    "consistency": "consistency alone (μ₁ = 0)",
}
MITIGATION_NAMES = {"with": "with the mitigator (γ of the recipe)", "without": "without it (γ = 0)"}


def best(spec: TrialSpec, kept: KeptTrial) -> TrialRecord | None:
    """The trial of the largest scale that was made."""
    found = (kept(plans.sized(spec, scale)) for scale in plans.SCALES)
    return next((record for record in found if record is not None), None)


def attacker_terms(dataset: str, kept: KeptTrial) -> list[Row]:
    """Remark 3.3: the attacker with one of its terms, and with both."""
    return [_row(TERM_NAMES[name], best(spec, kept)) for name, spec in plans.attacker_terms(dataset).items()]


def mitigation(dataset: str, kept: KeptTrial) -> list[Row]:
    """Eq. 14 with and without its last term."""
    return [_row(MITIGATION_NAMES[name], best(spec, kept)) for name, spec in plans.mitigation(dataset).items()]


def inner_epsilons(dataset: str, kept: KeptTrial) -> list[Row]:
    """Remark 4.1: the attack inside the training weaker and stronger than the recipe's."""
    rows = []
    for epsilon, spec in plans.inner_epsilons(dataset).items():
        name = "as in the recipe" if epsilon is None else f"ε = {epsilon:g}"
        rows.append(_row(name, best(spec, kept)))
    return rows


def views(
    cards: Sequence[CheckpointCard],
    attackers: Mapping[str, CheckpointCard],
    view_names: Sequence[str],
    kept: KeptSweep,
) -> tuple[Row, list[Row]]:
    """One view attacked at a time: header and rows, accuracy with frozen matching."""
    rows = [row for card in cards for row in _view_rows(card, attackers.get(card.name), view_names, kept)]
    return (*VIEW_HEADER, *(f"{name} alone" for name in view_names)), rows


def _view_rows(
    card: CheckpointCard, attacker: CheckpointCard | None, view_names: Sequence[str], kept: KeptSweep
) -> Iterator[Row]:
    attacks = {"GAN": plans.gan(card, attacker)} if attacker is not None else {}
    attacks["PGD on the assignment"] = plans.pgd(card, "assignment")
    for name, attack in attacks.items():
        whole = kept(SweepSpec(attack=attack))
        parts = [kept(plans.one_view(attack, view)) for view in range(len(view_names))]
        clean = NOTHING_YET if whole is None else _text(whole.attack[0])
        numbers = (NOTHING_YET if scores is None else _text(scores.attack[-1]) for scores in (whole, *parts))
        yield words.model_name(card.name), name, clean, *numbers


def _row(name: str, record: TrialRecord | None) -> Row:
    if record is None:
        return (name, NOTHING_YET, "", "", "")
    cells = (record.states.get(state) for state in STATES)
    return name, _text(record.clean), *("" if rows is None else _text(rows[-1]) for rows in cells)


def _text(scores: AttackScores) -> str:
    return short(scores.frozen.accuracy)
