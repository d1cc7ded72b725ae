"""What models trained once more say.

Of the defense's parts, of the released protocol, its seeds and its size, and of the protocol as printed.
"""

from collections.abc import Mapping
from itertools import product
from statistics import fmean

from core.figures import table_words, words
from core.findings.evidence import (
    BOTH,
    REAL,
    Evidence,
    Sentences,
    left_of,
    mean_of,
    of_seeds,
    paper_of,
    sizes_of,
    title_of,
    trials_of,
)
from core.findings.table_1 import reached
from core.studies import plans
from core.studies.records import Scale, TrialRecord
from core.table_records import AFTER, BEFORE, ResultTable

LARGER: dict[Scale, str] = {  # than a small trial, and what they have of the protocol's
    "long": "epochs, on a part of its samples",
    "model": "samples and epochs (fewer of the attacker's)",
}


def mitigator(evidence: Evidence) -> Sentences:
    for dataset in BOTH:
        trials = trials_of(evidence, plans.mitigation(dataset))
        if len(trials) == 2:
            yield (
                f"**The mitigator, {title_of(evidence, dataset)}**: with it {left_of(trials['with'])}; "
                f"without it, all else the same, {left_of(trials['without'])}."
            )


def inner(evidence: Evidence) -> Sentences:
    for dataset in BOTH:
        trials = trials_of(evidence, plans.inner_epsilons(dataset))
        if len(trials) > 1:
            parts = (
                f"{'as in the recipe' if epsilon is None else f'ε = {epsilon:g}'}: {left_of(trial)}"
                for epsilon, trial in trials.items()
            )
            yield f"**Remark 4.1, {title_of(evidence, dataset)}**, the attack inside the training: {'; '.join(parts)}."


def weights(evidence: Evidence) -> Sentences:
    """Figure 4 (a) in words, where the whole coarse grid was made."""
    places = tuple(product(plans.COARSE, plans.COARSE))
    for dataset in BOTH:
        trials = trials_of(evidence, {place: plans.weights(dataset, *place) for place in places})
        if len(trials) == len(places):
            best = max(places, key=lambda place: _under_gan(trials[place]))
            yield (
                f"**λ and γ, {title_of(evidence, dataset)}**, {len(places)} trainings of one seed, what the GAN at ε = "
                f"{trials[best].spec.epsilons[-1]:g} leaves of the clean ACC, frozen matching: "
                f"{_averages(trials, 0, 'λ')} (averages over γ); {_averages(trials, 1, 'γ')} (averages over λ). Most "
                f"is left with λ = {best[0]:g} and γ = {best[1]:g}: {left_of(trials[best])}. The paper finds λ = 100 "
                "best and γ of little weight."
            )


def released(evidence: Evidence) -> Sentences:
    return _by(evidence.protocols["released"], "target in training mode")


def printed(evidence: Evidence) -> Sentences:
    return _by(evidence.protocols["paper"], "target in evaluation mode")


def _by(table: ResultTable, mode: str) -> Sentences:
    yield from reached(table, " before the attack")
    for dataset in dict.fromkeys((*REAL, *(column.dataset for column in table.columns))):
        columns = {c.state: c for c in table.columns if c.dataset == dataset}
        cells = {
            row: (table.cells[row, columns[BEFORE].key], table.cells[row, columns[AFTER].key])
            for row in table.rows
            if table.cells[row, columns[AFTER].key].ours is not None
        }
        if cells:
            parts = (
                f"{words.model_name(row)} {mean_of(before)} → {mean_of(after)} (frozen {mean_of(after, 'frozen')})"
                for row, (before, after) in cells.items()
            )
            yield (
                f"**{columns[BEFORE].title}**, {mode}, the attacker scored on what trained it, at ε = "
                f"{columns[AFTER].epsilon:g}{sizes_of(before for before, _ in cells.values())}: {', '.join(parts)}."
            )


def luck(evidence: Evidence) -> Sentences:
    """How far the seeds of one protocol lie apart, of trials of one size, where several were made."""
    table = evidence.protocols["released"]
    for dataset in REAL:
        column = table.column(dataset, BEFORE)
        runs = {}
        for model in table.rows:
            paper = table.cells[model, column.key].paper
            specs = [plans.table_1(dataset, model, "released", seed) for seed in plans.SEEDS["released"]]
            found = ([evidence.trial(plans.sized(spec, scale)) for spec in specs] for scale in plans.SCALES)
            made = max(([trial for trial in trials if trial is not None] for trials in found), key=len)
            if len(made) > 1 and paper is not None:
                runs[model] = ([trial.clean.rematched.accuracy for trial in made], paper.accuracy)
        if runs:
            yield f"**Luck, {column.title}**: the same training with other seeds, before the attack: {of_seeds(runs)}"


def longer(evidence: Evidence) -> Sentences:
    """What the epochs and the samples that small trials lack would have made."""
    table = evidence.protocols["released"]
    for dataset in REAL:
        column = table.column(dataset, BEFORE)
        for scale, what in LARGER.items():
            parts = []
            for model in table.rows:
                spec = plans.table_1(dataset, model, "released", plans.SEEDS["released"][0])
                small, larger = (evidence.trial(plans.sized(spec, size)) for size in ("small", scale))
                if small is not None and larger is not None:
                    paper = paper_of(table.cells[model, column.key])
                    change = f"{_before_and_after(small)} becomes {_before_and_after(larger)}"
                    parts.append(f"{words.model_name(model)} {change}{paper and f' (paper {paper} before)'}")
            if parts:
                yield (
                    f"**With all of the protocol's {what}, {column.title}**, before → after, re-matched: "
                    f"{'; '.join(parts)}."
                )


def _under_gan(trial: TrialRecord) -> float:
    return trial.states["gan"][-1].frozen.accuracy


def _averages(trials: Mapping[tuple[float, float], TrialRecord], axis: int, letter: str) -> str:
    """Of the trials with each value on one axis of the grid, the mean ACC under the GAN and when clean."""
    parts = []
    for value in plans.COARSE:
        row = [trial for place, trial in trials.items() if place[axis] == value]
        clean = fmean(trial.clean.frozen.accuracy for trial in row)
        parts.append(f"{letter} = {value:g}: {fmean(map(_under_gan, row)):.2f} of {clean:.2f}")
    return ", ".join(parts)


def _before_and_after(trial: TrialRecord) -> str:
    accuracies = (scores.rematched.accuracy for scores in (trial.clean, trial.states["gan"][-1]))
    return " → ".join(map(table_words.short, accuracies))
