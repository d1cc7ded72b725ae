"""What Table 1 says before and after the attack: which models reach the paper, and what the controls leave."""

from operator import itemgetter
from statistics import fmean

from core.data.facts import DATASET_FACTS
from core.figures import words
from core.findings.evidence import (
    BOTH,
    REAL,
    UNDEFENDED,
    Evidence,
    Sentences,
    average_of,
    mean_of,
    of_seeds,
    paper_of,
    sizes_of,
)
from core.studies import plans
from core.table_records import AFTER, BEFORE, Cell, Column, ResultTable
from core.tables import AGREES, agreement, contradiction, difference, spread


def before(evidence: Evidence) -> Sentences:
    return reached(evidence.table_1)


def reached(table: ResultTable, state: str = "") -> Sentences:
    """How many models cluster the clean samples as well as the paper's, and which do not."""
    for dataset in REAL:
        column = table.column(dataset, BEFORE)
        known, lower = _compared(table, column)
        if not known:
            continue
        text = (
            f"**{column.title}{state}**: {len(known) - len(lower)} of {len(known)} models reach the paper's ACC "
            f"within {AGREES:g} or exceed it{sizes_of(known.values())}."
        )
        if lower:
            parts = (f"{words.model_name(m)} {mean_of(cell)} (paper {paper_of(cell)})" for m, cell in lower.items())
            text += f" Lower: {', '.join(parts)}."
        yield text


def _compared(table: ResultTable, column: Column) -> tuple[dict[str, Cell], dict[str, Cell]]:
    """The cells of a column that have a number beside the paper's, and those of them that lie lower."""
    cells = {model: table.cells[model, column.key] for model in table.rows}
    changes = {model: difference(cell, column, "accuracy", "rematched") for model, cell in cells.items()}
    known = {model: cells[model] for model, change in changes.items() if change is not None}
    return known, {model: cell for model, cell in known.items() if agreement(changes[model]) == "lower"}


def other_seeds(evidence: Evidence) -> Sentences:
    """Every seed of the models that lie lower than the paper, where a checkpoint was chosen from several."""
    for dataset in REAL:
        column = evidence.column(dataset, BEFORE)
        _, lower = _compared(evidence.table_1, column)
        cards = ((evidence.card(dataset, model), cell.paper) for model, cell in lower.items())
        runs = {
            card.name: ([run["accuracy"] for run in card.runs], paper.accuracy)
            for card, paper in cards
            if card is not None and paper is not None and len(card.runs) > 1
        }
        if runs:
            yield f"**Seeds of what lies lower, {column.title}**: {of_seeds(runs)}"


def seeds(evidence: Evidence) -> Sentences:
    spreads = [(card, both) for card in evidence.cards if (both := spread(card)) is not None]
    if not spreads:
        return
    card, (mean, deviation) = max(spreads, key=lambda pair: pair[1][1])
    wide = sum(both[1] > AGREES for _, both in spreads)
    yield (
        f"**One run says little**: of {len(spreads)} checkpoints that were chosen from several seeds, {wide} have a "
        f"standard deviation of ACC over their seeds above {AGREES:g}; the largest is {words.model_name(card.name)} on "
        f"{DATASET_FACTS[card.dataset].title}, {mean:.2f} ± {deviation:.2f}. "
        "Every number that the paper prints is one run."
    )
    above = [
        max(run["accuracy"] for run in card.runs) - min(card.runs, key=itemgetter("loss"))["accuracy"]
        for card, _ in spreads
    ]
    yield (
        f"**The lowest loss is not the best clustering**: it chose each of these seeds, as no label may. It found the "
        f"one of the highest ACC for {above.count(0)} of {len(above)}; on average the highest lies {fmean(above):.2f} "
        f"above the chosen."
    )


def after(evidence: Evidence) -> Sentences:
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
                    f"{theirs:.2f}{sizes_of(cells.values())}."
                )


def contradictions(evidence: Evidence) -> Sentences:
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


def noise(evidence: Evidence) -> Sentences:
    for dataset in BOTH:
        clean, noise, gan, pgd, untrained = (
            evidence.there(dataset, state, UNDEFENDED)
            for state in (BEFORE, "noise", AFTER, "pgd", "untrained_generator")
        )
        both = [model for model in clean if model in noise and model in gan]
        if not both:
            continue
        column = evidence.column(dataset, AFTER)
        parts = [f"signed noise leaves {average_of(noise, both)}"]
        if all(model in untrained for model in both):
            parts.append(f"a generator that was never trained {average_of(untrained, both)}")
        parts.append(f"the trained GAN {average_of(gan, both)}")
        if all(model in pgd for model in both):
            parts.append(f"PGD without any training {average_of(pgd, both)}")
        yield (
            f"**Controls matter, {column.title}**: at ε = {column.epsilon:g} the undefended models' clean ACC of "
            f"{average_of(clean, both)} (frozen matching, average of {len(both)}) falls without an attack already: "
            f"{', '.join(parts)}. The paper shows no controls."
        )
