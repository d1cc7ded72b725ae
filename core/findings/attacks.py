"""What stronger attacks leave of the defended models, and what an attack needs."""

from collections.abc import Iterator
from statistics import fmean

from core.figures import words
from core.findings.evidence import BOTH, DEFENDED, Evidence, Sentences, title_of, trials_of
from core.records import AttackSpec, CheckpointCard, SweepScores, SweepSpec
from core.studies import plans
from core.table_records import BEFORE


def defended(evidence: Evidence) -> Sentences:
    for dataset in BOTH:
        for model in DEFENDED:
            card = evidence.card(dataset, model)
            runs = [] if card is None else [evidence.sweep(SweepSpec(attack=a)) for a in _attacks(evidence, card)]
            known = [run for run in runs if run is not None]
            if card is None or len(known) < 2:
                continue
            parts = []
            for place in _places(known[0]):
                numbers = (f"{_attack_name(run)} {run.attack[place].frozen.accuracy:.2f}" for run in known)
                parts.append(f"at ε = {known[0].spec.epsilons[place]:g} {', '.join(numbers)}")
            title = evidence.column(dataset, BEFORE).title
            clean = known[0].attack[0].frozen.accuracy
            yield f"**{words.model_name(model)} on {title}**, clean {clean:.2f}: {'; '.join(parts)}."


def own_objective(evidence: Evidence) -> Sentences:
    card = evidence.card("noisy_digits", "ar_dmvc")
    if card is None:
        return
    both, assignment = (evidence.sweep(SweepSpec(attack=plans.pgd(card, name))) for name in ("both", "assignment"))
    if both is None or assignment is None:
        return
    place = _places(both)[0]
    a, b = both.attack[place], assignment.attack[place]
    yield (
        f"**Frozen and re-matched part**: under PGD on the assignment at ε = {both.spec.epsilons[place]:g} AR-DMVC on "
        f"NoisyDigits keeps ACC {b.frozen.accuracy:.2f} with the clean matching and {b.rematched.accuracy:.2f} when "
        f"clusters are matched again, as the paper does; under PGD on the embeddings {a.frozen.accuracy:.2f} and "
        f"{a.rematched.accuracy:.2f}. Samples that all move to one other cluster count as right when re-matched."
    )


def strongest(evidence: Evidence) -> Sentences:
    left: dict[str, list[str]] = {}
    for card in evidence.cards:
        run = evidence.sweep(plans.ensemble(card)) if card.name in (*plans.DEFENSES, plans.OWN) else None
        if run is not None:
            clean, attacked = run.attack[0].frozen.accuracy, run.attack[-1].frozen.accuracy
            size = "" if run.spec.attack.samples == plans.SAMPLES else f", {run.spec.attack.samples} samples"
            budget = f"ε = {run.spec.attack.epsilon:g}{size}"
            where = f"{title_of(evidence, card.dataset)} {attacked:.2f} of {clean:.2f} ({budget})"
            left.setdefault(words.model_name(card.name), []).append(where)
    parts = [f"{model} on {', '.join(where)}" for model, where in left.items()]
    if parts:
        yield (
            f"**The strongest attack**: the whole ensemble on all views, with the clean matching and {plans.SAMPLES} "
            "samples unless another number is given, leaves of the ACC of "
            f"{'; of '.join(parts)}."
        )


def terms(evidence: Evidence) -> Sentences:
    for dataset in BOTH:
        trials = trials_of(evidence, plans.attacker_terms(dataset))
        if len(trials) == 3:
            numbers = {name: trial.states["gan"][-1].frozen.accuracy for name, trial in trials.items()}
            clean = trials["both"].clean.frozen.accuracy
            yield (
                f"**Remark 3.3, {title_of(evidence, dataset)}**: of CL-MVC's ACC {clean:.2f} a GAN with both terms "
                f"leaves {numbers['both']:.2f}, with complementarity alone {numbers['complementarity']:.2f}, "
                f"with consistency alone {numbers['consistency']:.2f}."
            )


def views(evidence: Evidence) -> Sentences:
    for dataset in BOTH:
        cards = [card for model in plans.COMPARED if (card := evidence.card(dataset, model)) is not None]
        parts = []
        for card in cards:
            attack = plans.pgd(card, "assignment")
            runs = [evidence.sweep(plans.one_view(attack, view)) for view in range(len(card.view_shapes))]
            numbers = [f"{run.attack[-1].frozen.accuracy:.2f}" for run in runs if run is not None]
            if len(numbers) == len(runs):
                parts.append(f"{words.model_name(card.name)} {' and '.join(numbers)}")
        if parts:
            epsilon = plans.pgd(cards[0]).epsilon
            yield (
                f"**One view alone, {title_of(evidence, dataset)}**: PGD on the assignment at ε = {epsilon:g} that may "
                f"change the first view alone, or the second alone, leaves {'; '.join(parts)}."
            )


def travel(evidence: Evidence) -> Sentences:
    for dataset in ("noisy_digits", "noisy_mnist"):
        record = evidence.transfer(plans.transfer(dataset))
        if record is None or len(record.attackers) < 2:
            continue
        own = fmean(record.kept(name, name) for name in record.attackers)
        others = fmean(record.kept(a, t) for a in record.attackers for t in record.targets if a != t)
        name, left = record.farthest()
        yield (
            f"**Attackers travel, {title_of(evidence, dataset)}**: against the model it was trained on a GAN leaves "
            f"{own:.0%} of the clean ACC, against the others {others:.0%} (average of {len(record.attackers)} "
            f"attackers). The one trained against {words.model_name(name)} travels best: it leaves the others "
            f"{left:.0%}."
        )


def _attacks(evidence: Evidence, card: CheckpointCard) -> Iterator[AttackSpec]:
    attacker = next((other for other in evidence.attackers if other.target_sha256 == card.sha256), None)
    if attacker is not None:
        yield plans.gan(card, attacker)
    yield plans.pgd(card, "both")
    yield plans.pgd(card, "assignment")


def _attack_name(run: SweepScores) -> str:
    attack = run.spec.attack
    return "GAN" if attack.attack == "gan" else {"both": "PGD", "assignment": "PGD on the assignment"}[attack.objective]


def _places(run: SweepScores) -> tuple[int, int]:
    """The places of two thirds of the largest ε and of the largest."""
    last = run.spec.points - 1
    return round(last * 2 / 3), last
