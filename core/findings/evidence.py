"""Where findings look their numbers up, and the short words that several of them share."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TypeVar

from core.figures import ablation_rows, table_words, words
from core.records import CheckpointCard, SweepScores, SweepSpec
from core.studies import plans
from core.studies.records import TransferRecord, TransferSpec, TrialRecord, TrialSpec
from core.table_records import BEFORE, Cell, Column, ResultTable
from core.tables import AGREES, MODELS, agreement

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
    protocols: Mapping[str, ResultTable]  # Table 1 by the protocols that are not the lab's
    cards: Sequence[CheckpointCard]
    attackers: Sequence[CheckpointCard]
    sweep: Callable[[SweepSpec], SweepScores | None]
    transfer: Callable[[TransferSpec], TransferRecord | None]
    trial: Callable[[TrialSpec], TrialRecord | None]

    def column(self, dataset: str, state: str) -> Column:
        """The column of Table 1."""
        return self.table_1.column(dataset, state)

    def there(self, dataset: str, state: str, models: Sequence[str]) -> dict[str, Cell]:
        """The cells of some models that have a number."""
        column = self.column(dataset, state)
        cells = {model: self.table_1.cells[model, column.key] for model in models}
        return {model: cell for model, cell in cells.items() if cell.ours is not None}

    def card(self, dataset: str, model: str) -> CheckpointCard | None:
        """A model's checkpoint by the lab's protocol."""
        return next((card for card in self.cards if (card.dataset, card.name) == (dataset, model)), None)


def trials_of(evidence: Evidence, specs: Mapping[Key, TrialSpec]) -> dict[Key, TrialRecord]:
    """Those of the trials that were made, each of the largest scale."""
    found = {key: ablation_rows.best(spec, evidence.trial) for key, spec in specs.items()}
    return {key: trial for key, trial in found.items() if trial is not None}


def left_of(trial: TrialRecord) -> str:
    """What is left of a trial's ACC, frozen matching: clean, and under its GAN and PGD."""
    states = {name: rows[-1].frozen.accuracy for name, rows in trial.states.items()}
    return (
        f"clean {trial.clean.frozen.accuracy:.2f}, GAN {states['gan']:.2f}, PGD on the assignment "
        f"{states['pgd_assignment']:.2f}"
    )


def title_of(evidence: Evidence, dataset: str) -> str:
    """The data set's title."""
    return evidence.column(dataset, BEFORE).title


def mean_of(cell: Cell, matching: str = "rematched") -> str:
    """The mean ACC over a cell's seeds."""
    return table_words.short(cell.mean("accuracy", matching))


def paper_of(cell: Cell) -> str:
    """The paper's ACC; empty where it has none."""
    return "" if cell.paper is None else table_words.short(cell.paper.accuracy)


def average_of(cells: dict[str, Cell], models: Sequence[str]) -> str:
    """The mean ACC over some models, frozen matching."""
    return f"{fmean(cells[model].mean('accuracy', 'frozen') for model in models):.2f}"


def of_seeds(runs: Mapping[str, tuple[Sequence[float], float]]) -> str:
    """By model the ACC of every seed and the paper's, and how often the best of them reaches it."""
    parts, n_reached = [], 0
    for model, (accuracies, paper) in runs.items():
        n_reached += agreement(round(round(max(accuracies), 2) - paper, 2)) != "lower"
        by_seed = ", ".join(map(table_words.short, accuracies))
        parts.append(f"{words.model_name(model)} {by_seed} (paper {table_words.short(paper)})")
    return (
        f"{'; '.join(parts)}. The best seed reaches the paper's one run within {AGREES:g} for {n_reached} of "
        f"{len(parts)}."
    )


def sizes_of(cells: Iterable[Cell]) -> str:
    """A remark where models were trained at a size for processors."""
    small = sum(cell.small for cell in cells)
    return f" ({small} of ours trained at a size for CPUs)" if small else ""
