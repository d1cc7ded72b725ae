"""What the stored results say of the paper, in sentences: every number in them is looked up, none is typed.

A finding whose results are not there is left out, so that the page says less, never something else.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TypeVar

from core.figures import ablation_rows, table_words, words
from core.records import AttackSpec, CheckpointCard, SweepScores, SweepSpec
from core.studies import plans
from core.studies.records import TransferRecord, TransferSpec, TrialRecord, TrialSpec
from core.table_records import AFTER, BEFORE, Cell, Column, ResultTable
from core.tables import AGREES, MODELS, agreement, contradiction, difference, spread

DEFENDED = (*plans.DEFENSES, plans.OWN)
UNDEFENDED = tuple(model for model in MODELS if model not in DEFENDED)
REAL = ("noisy_mnist", "noisy_fashion", "patched_mnist")
BOTH = ("noisy_mnist", "noisy_digits")  # the paper's first data set, and the one that every lab has
Sentences = Iterator[str]
Key = TypeVar("Key")


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """Where findings look numbers up."""

    table_1: ResultTable
    released: ResultTable  # Table 1 by the released protocol
    cards: Sequence[CheckpointCard]
    attackers: Sequence[CheckpointCard]
    sweep: Callable[[SweepSpec], SweepScores | None]
    transfer: Callable[[TransferSpec], TransferRecord | None]
    trial: Callable[[TrialSpec], TrialRecord | None]

    def column(self, dataset: str, state: str) -> Column:
        """The column of Table 1."""
        return next(c for c in self.table_1.columns if (c.dataset, c.state) == (dataset, state))

    def there(self, dataset: str, state: str, models: Sequence[str]) -> dict[str, Cell]:
        """The cells of some models that have a number."""
        column = self.column(dataset, state)
        cells = {model: self.table_1.cells[model, column.key] for model in models}
        return {model: cell for model, cell in cells.items() if cell.ours is not None}

    def card(self, dataset: str, model: str) -> CheckpointCard | None:
        """A model's checkpoint by the lab's protocol."""
        return next((card for card in self.cards if (card.dataset, card.name) == (dataset, model)), None)


def findings(evidence: Evidence) -> dict[str, list[str]]:
    """Sentences by chapter, in Markdown; chapters without any are left out."""
    chapters = {
        "Before the attack": (_before, _seeds),
        "After the attack": (_after, _contradictions, _noise),
        "The defenses under attacks that the paper does not run": (_defended, _own_objective, _strongest),
        "What an attack needs": (_terms, _views, _travel),
        "What the defense needs": (_mitigator, _inner),
        "The released protocol": (_released, _luck, _longer),
    }
    made = {title: [text for make in makers for text in make(evidence)] for title, makers in chapters.items()}
    return {title: texts for title, texts in made.items() if texts}


def _before(evidence: Evidence) -> Sentences:
    return _reached(evidence.table_1)


def _reached(table: ResultTable, state: str = "") -> Sentences:
    """How many models cluster the clean samples as well as the paper's, and which do not."""
    for dataset in REAL:
        column = next(c for c in table.columns if (c.dataset, c.state) == (dataset, BEFORE))
        cells = {model: table.cells[model, column.key] for model in table.rows}
        changes = {model: difference(cell, column, "accuracy", "rematched") for model, cell in cells.items()}
        known = {model: cells[model] for model, change in changes.items() if change is not None}
        if not known:
            continue
        lower = {model: cell for model, cell in known.items() if agreement(changes[model]) == "lower"}
        text = (
            f"**{column.title}{state}**: {len(known) - len(lower)} of {len(known)} models reach the paper's ACC "
            f"within {AGREES:g} or exceed it{_sizes(known.values())}."
        )
        if lower:
            parts = (f"{words.model_name(m)} {_mean(cell)} (paper {_paper(cell)})" for m, cell in lower.items())
            text += f" Lower: {', '.join(parts)}."
        yield text


def _seeds(evidence: Evidence) -> Sentences:
    spreads = [(card, both) for card in evidence.cards if (both := spread(card)) is not None]
    if not spreads:
        return
    card, (mean, deviation) = max(spreads, key=lambda pair: pair[1][1])
    wide = sum(both[1] > AGREES for _, both in spreads)
    yield (
        f"**One run says little**: of {len(spreads)} checkpoints that were chosen from several seeds, {wide} have a "
        f"standard deviation of ACC over their seeds above {AGREES:g}; the largest is {words.model_name(card.name)} on "
        f"{card.dataset}, {mean:.2f} ± {deviation:.2f}. Every number that the paper prints is one run."
    )


def _after(evidence: Evidence) -> Sentences:
    for dataset in REAL:
        column = evidence.column(dataset, AFTER)
        for group, models in (("undefended models", UNDEFENDED[:-1]), ("defended models", plans.DEFENSES)):
            cells = evidence.there(dataset, AFTER, models)
            if cells:
                ours = fmean(cell.mean("accuracy", "rematched") for cell in cells.values())
                theirs = fmean(cell.paper.accuracy for cell in cells.values() if cell.paper is not None)
                yield (
                    f"**{column.title}, {group}**, GAN at ε = {column.epsilon:g}: ours keep ACC {ours:.2f} on the "
                    f"average of {len(cells)}, re-matched as in the paper, where it has "
                    f"{theirs:.2f}{_sizes(cells.values())}."
                )


def _contradictions(evidence: Evidence) -> Sentences:
    columns = [column for column in evidence.table_1.columns if column.state == AFTER]
    found = [
        (abs(odd[0] - odd[1]), row, column, odd)
        for row in evidence.table_1.rows
        for column in columns
        if not column.stands_for and (odd := contradiction(row, column)) is not None
    ]
    _, row, column, odd = max(found, key=lambda item: item[0])
    yield (
        f"**Two tables, two numbers**: at ε = {column.epsilon:g} the paper's Tables 1 and 3 print the same "
        f"experiment, and {len(found)} cells differ; most of all {words.model_name(row)} on {column.title}, "
        f"{odd[0]:.2f} and {odd[1]:.2f}."
    )


def _noise(evidence: Evidence) -> Sentences:
    for dataset in BOTH:
        clean, noise, gan, pgd, untrained = (
            evidence.there(dataset, state, UNDEFENDED)
            for state in (BEFORE, "noise", AFTER, "pgd", "untrained_generator")
        )
        both = [model for model in clean if model in noise and model in gan]
        if not both:
            continue
        column = evidence.column(dataset, AFTER)
        parts = [f"signed noise leaves {_average(noise, both)}"]
        if all(model in untrained for model in both):
            parts.append(f"a generator that was never trained {_average(untrained, both)}")
        parts.append(f"the trained GAN {_average(gan, both)}")
        if all(model in pgd for model in both):
            parts.append(f"PGD without any training {_average(pgd, both)}")
        yield (
            f"**Controls matter, {column.title}**: at ε = {column.epsilon:g} the undefended models' clean ACC of "
            f"{_average(clean, both)} (frozen matching, average of {len(both)}) falls without an attack already: "
            f"{', '.join(parts)}. The paper shows no controls."
        )


def _defended(evidence: Evidence) -> Sentences:
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


def _own_objective(evidence: Evidence) -> Sentences:
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


def _strongest(evidence: Evidence) -> Sentences:
    left: dict[str, list[str]] = {}
    for card in evidence.cards:
        run = evidence.sweep(plans.ensemble(card)) if card.name in (*plans.DEFENSES, plans.OWN) else None
        if run is not None:
            clean, attacked = run.attack[0].frozen.accuracy, run.attack[-1].frozen.accuracy
            size = "" if run.spec.attack.samples == plans.SAMPLES else f", {run.spec.attack.samples} samples"
            budget = f"ε = {run.spec.attack.epsilon:g}{size}"
            where = f"{_title(evidence, card.dataset)} {attacked:.2f} of {clean:.2f} ({budget})"
            left.setdefault(words.model_name(card.name), []).append(where)
    parts = [f"{model} on {', '.join(where)}" for model, where in left.items()]
    if parts:
        yield (
            f"**The strongest attack**: the whole ensemble on all views, with the clean matching and {plans.SAMPLES} "
            "samples unless another number is given, leaves of the ACC of "
            f"{'; of '.join(parts)}."
        )


def _terms(evidence: Evidence) -> Sentences:
    for dataset in BOTH:
        trials = _trials(evidence, plans.attacker_terms(dataset))
        if len(trials) == 3:
            numbers = {name: trial.states["gan"][-1].frozen.accuracy for name, trial in trials.items()}
            clean = trials["both"].clean.frozen.accuracy
            yield (
                f"**Remark 3.3, {_title(evidence, dataset)}**: of CL-MVC's ACC {clean:.2f} a GAN with both terms "
                f"leaves {numbers['both']:.2f}, with complementarity alone {numbers['complementarity']:.2f}, "
                f"with consistency alone {numbers['consistency']:.2f}."
            )


def _views(evidence: Evidence) -> Sentences:
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
                f"**One view alone, {_title(evidence, dataset)}**: PGD on the assignment at ε = {epsilon:g} that may "
                f"change the first view alone, or the second alone, leaves {'; '.join(parts)}."
            )


def _travel(evidence: Evidence) -> Sentences:
    for dataset in ("noisy_digits", "noisy_mnist"):
        record = evidence.transfer(plans.transfer(dataset))
        if record is None or len(record.attackers) < 2:
            continue
        own = fmean(record.kept(name, name) for name in record.attackers)
        others = fmean(record.kept(a, t) for a in record.attackers for t in record.targets if a != t)
        name, left = record.farthest()
        yield (
            f"**Attackers travel, {_title(evidence, dataset)}**: against the model it was trained on a GAN leaves "
            f"{own:.0%} of the clean ACC, against the others {others:.0%} (average of {len(record.attackers)} "
            f"attackers). The one trained against {words.model_name(name)} travels best: it leaves the others "
            f"{left:.0%}."
        )


def _mitigator(evidence: Evidence) -> Sentences:
    for dataset in BOTH:
        trials = _trials(evidence, plans.mitigation(dataset))
        if len(trials) == 2:
            yield (
                f"**The mitigator, {_title(evidence, dataset)}**: with it {_left(trials['with'])}; "
                f"without it, all else the same, {_left(trials['without'])}."
            )


def _inner(evidence: Evidence) -> Sentences:
    for dataset in BOTH:
        trials = _trials(evidence, plans.inner_epsilons(dataset))
        if len(trials) > 1:
            parts = (
                f"{'as in the recipe' if epsilon is None else f'ε = {epsilon:g}'}: {_left(trial)}"
                for epsilon, trial in trials.items()
            )
            yield f"**Remark 4.1, {_title(evidence, dataset)}**, the attack inside the training: {'; '.join(parts)}."


def _released(evidence: Evidence) -> Sentences:
    yield from _reached(evidence.released, " before the attack")
    table = evidence.released
    for dataset in (*REAL, "noisy_digits"):
        columns = {c.state: c for c in table.columns if c.dataset == dataset}
        cells = {
            row: (table.cells[row, columns[BEFORE].key], table.cells[row, columns[AFTER].key])
            for row in table.rows
            if table.cells[row, columns[AFTER].key].ours is not None
        }
        if cells:
            parts = (
                f"{words.model_name(row)} {_mean(before)} → {_mean(after)} (frozen {_mean(after, 'frozen')})"
                for row, (before, after) in cells.items()
            )
            yield (
                f"**{columns[BEFORE].title}**, target in training mode, the attacker scored on what trained it, at ε = "
                f"{columns[AFTER].epsilon:g}{_sizes(before for before, _ in cells.values())}: {', '.join(parts)}."
            )


def _luck(evidence: Evidence) -> Sentences:
    """How far the seeds of one protocol lie apart, of trials of one size, where several were made."""
    for dataset in REAL:
        column = next(c for c in evidence.released.columns if (c.dataset, c.state) == (dataset, BEFORE))
        parts, reached = [], 0
        for model in evidence.released.rows:
            paper = evidence.released.cells[model, column.key].paper
            specs = [plans.table_1(dataset, model, "released", seed) for seed in plans.SEEDS["released"]]
            found = ([evidence.trial(plans.sized(spec, scale)) for spec in specs] for scale in plans.SCALES)
            made = max(([trial for trial in trials if trial is not None] for trials in found), key=len)
            if len(made) > 1 and paper is not None:
                accuracies = [round(trial.clean.rematched.accuracy, 2) for trial in made]
                reached += agreement(round(max(accuracies) - paper.accuracy, 2)) != "lower"
                by_seed = ", ".join(map(table_words.short, accuracies))
                parts.append(f"{words.model_name(model)} {by_seed} (paper {table_words.short(paper.accuracy)})")
        if parts:
            yield (
                f"**Luck, {column.title}**: the same training with other seeds, before the attack: "
                f"{'; '.join(parts)}. The best seed reaches the paper's one run within {AGREES:g} for {reached} of "
                f"{len(parts)}."
            )


def _longer(evidence: Evidence) -> Sentences:
    """What the epochs that trials of a processor's size lack would have made."""
    for dataset in REAL:
        parts = []
        for model in MODELS:
            spec = plans.table_1(dataset, model, "released", plans.SEEDS["released"][0])
            short, long = (evidence.trial(plans.sized(spec, scale)) for scale in ("small", "long"))
            if short is not None and long is not None:
                parts.append(f"{words.model_name(model)} {_before_and_after(short)} becomes {_before_and_after(long)}")
        if parts:
            yield (
                f"**With all of the protocol's epochs, {_title(evidence, dataset)}**, the model's and its attacker's, "
                f"on the same part of the data, before → after, re-matched: {'; '.join(parts)}."
            )


def _before_and_after(trial: TrialRecord) -> str:
    accuracies = (scores.rematched.accuracy for scores in (trial.clean, trial.states["gan"][-1]))
    return " → ".join(map(table_words.short, accuracies))


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


def _trials(evidence: Evidence, specs: Mapping[Key, TrialSpec]) -> dict[Key, TrialRecord]:
    found = {key: ablation_rows.best(spec, evidence.trial) for key, spec in specs.items()}
    return {key: trial for key, trial in found.items() if trial is not None}


def _left(trial: TrialRecord) -> str:
    states = {name: rows[-1].frozen.accuracy for name, rows in trial.states.items()}
    return (
        f"clean {trial.clean.frozen.accuracy:.2f}, GAN {states['gan']:.2f}, PGD on the assignment "
        f"{states['pgd_assignment']:.2f}"
    )


def _title(evidence: Evidence, dataset: str) -> str:
    return evidence.column(dataset, BEFORE).title


def _mean(cell: Cell, matching: str = "rematched") -> str:
    return table_words.short(cell.mean("accuracy", matching))


def _paper(cell: Cell) -> str:
    return "" if cell.paper is None else table_words.short(cell.paper.accuracy)


def _average(cells: dict[str, Cell], models: Sequence[str]) -> str:
    return f"{fmean(cells[model].mean('accuracy', 'frozen') for model in models):.2f}"


def _sizes(cells: Iterable[Cell]) -> str:
    """A remark where models were trained at a size for processors."""
    small = sum(cell.small for cell in cells)
    return f" ({small} of ours trained at a size for CPUs)" if small else ""
