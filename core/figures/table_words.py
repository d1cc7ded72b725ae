"""A table of the paper in words: what a cell is about, how ours compares, under which protocol, what repeats it."""

import math
from collections.abc import Iterable, Iterator, Sequence

from core.figures import trial_words, words
from core.published.ar_dmvc import CONFUSION_FIGURES
from core.records import CheckpointCard, ConfusionRecord, SweepSpec
from core.studies.plans import SAMPLES
from core.table_records import AFTER, BEFORE, METRICS, Cell, Column, ResultTable
from core.tables import AGREES, agreement, contradiction, difference, spread

TITLES = {
    "table_1": "Table 1: clustering before and after the GAN attack",
    "table_2": "Table 2: transfer of robustness to classes and data never trained on",
    "table_3": "Table 3: the GAN attack at growing ε",
}
MATCHINGS = {"rematched": "re-matched", "frozen": "frozen"}
STATE_WORDS = {
    "clean": "before the attack",
    "gan": "after the GAN attack",
    "noise": "under signed noise, a control",
    "untrained_generator": "under an untrained generator, a control",
    "pgd": "under PGD, another attack",
    "ensemble": "under the ensemble, the strongest attack",
}
PAPERS_FIGURES = "noisy_mnist"
SIGNS = {"agrees": "≈", "higher": "▲", "lower": "▼", "": ""}
SMALL = "†"
NOT_RUN, NOT_TRAINED = "▷", "–"
STATES_HEADER = ("state", "ACC frozen", "ACC re-matched", "NMI", "ARI", "samples", "paper: ACC NMI ARI")
TABLE_2_NOTE = (
    f"{NOT_TRAINED} not trained yet. The paper does not say whether its numbers are under attack, nor what trained the "
    "attacker; they stand beside ours after it. Ours: a defense is trained on five classes, an attacker against it on "
    "the five others, and both are scored on held-out samples of those. Chance is ACC .20. The last two rows are ours "
    "alone."
)


def short(value: float) -> str:
    """A score at two decimals, as the paper's text has it: .75, 1.00, −.02; empty for NaN."""
    if math.isnan(value):
        return ""
    text = f"{abs(value):.2f}"
    return ("−" if value < 0 and float(text) else "") + (text[1:] if text.startswith("0") else text)


def ours_text(cell: Cell, metric: str, matching: str) -> str:
    """Our number at two decimals, over several seeds their mean with the standard deviation; empty without one."""
    deviation = cell.deviation(metric, matching)
    return short(cell.mean(metric, matching)) + ("" if deviation is None else f" ±{short(deviation)}")


def signed(change: float | None) -> str:
    """A difference with its sign: +.17, −.05, ±.00; empty for None."""
    if change is None:
        return ""
    return f"{'+' if change > 0 else '−' if change < 0 else '±'}{short(abs(change))}"


def caption(table: ResultTable, columns: Sequence[Column], metric: str, matching: str) -> str:
    """What the table shows, in a line."""
    attacked = any(column.state != BEFORE and column.dataset for column in columns)
    how = f", {MATCHINGS[matching]} under attack" if metric == "accuracy" and attacked else ""
    return f"{TITLES[table.name]}. {METRICS[metric]}{how}, protocol {table.protocol}"


def heading(row: str, column: Column) -> str:
    """What a cell is about: "SiMVC on NoisyMNIST after the GAN attack, ε = 0.30"."""
    if not column.dataset:
        return f"{words.model_name(column.title)}, {row}, {STATE_WORDS[column.state]}"
    at = "" if column.state == BEFORE else f", ε = {words.epsilon_text(column.epsilon)}"
    return f"{words.model_name(row)} on {column.title} {STATE_WORDS[column.state]}{at}"


def spoken(cell: Cell, column: Column, metric: str, matching: str) -> str:
    deviation = cell.deviation(metric, matching)
    over = "" if deviation is None else f", standard deviation {deviation:.2f} over {len(cell.results)} seeds"
    ours = f"{METRICS[metric]} {cell.mean(metric, matching):.2f}{over}" if cell.results else cell.missing
    printed = math.nan if cell.paper is None else float(getattr(cell.paper, metric))
    if math.isnan(printed):
        return ours
    whose = f"the paper's for {column.stands_for}" if column.stands_for else "the paper's"
    change = difference(cell, column, metric, matching)
    return f"{ours.rstrip('.')}; {whose} {printed:.2f}{f', {agreement(change)}' if change is not None else ''}"


def beside_the_paper(row: str, column: Column, cell: Cell, metric: str, matching: str) -> str:
    """Ours and the paper's in a sentence or two; empty where the paper prints nothing."""
    printed = math.nan if cell.paper is None else float(getattr(cell.paper, metric))
    if math.isnan(printed):
        return ""
    whose = f"The paper prints {METRICS[metric]} {printed:.2f}, one run"
    odd = contradiction(row, column)
    if odd is not None:
        whose += f"; for the same its Table 1 has {odd[0]:.2f} and its Table 3 {odd[1]:.2f}"
    if column.stands_for:
        return f"{whose}, on {column.stands_for}: other data, so no difference is drawn."
    change = difference(cell, column, metric, matching)
    if change is None:
        return f"{whose}."
    how = {
        "agrees": f"ours agrees within {AGREES:g} ({signed(change)})",
        "higher": f"ours is higher by {abs(change):.2f}",
        "lower": f"ours is lower by {abs(change):.2f}",
    }[agreement(change)]
    note = " The paper re-matches after the attack." if matching == "frozen" and column.state != BEFORE else ""
    return f"{whose}; {how}.{note}"


def protocol(column: Column, cell: Cell) -> str:
    """Everything our number depends on, on one line; empty without a number."""
    ours, card = cell.ours, cell.card
    if ours is not None and ours.trial is not None:
        return trial_words.protocol(ours.trial)
    if ours is None or card is None:
        return ""
    if ours.spec is not None:
        attacker = words.attacker_sentence(cell.attacker)
        return f"{words.protocol(ours.spec, card.sha256, attacker)} · {_training(column, card)}"
    parts = [f"{ours.samples:,} held-out samples"]
    if ours.state != BEFORE and cell.attacker is not None:
        parts += [
            f"{words.attack_name(ours.state)} on all views",
            f"L∞ budget ε = {words.epsilon_text(ours.epsilon)}, pixels 0 to 1",
            words.attacker_sentence(cell.attacker),
            f"seed {ours.seed}",
            f"target in {'training' if cell.attacker.recipe.get('target_mode') == 'train' else 'evaluation'} mode",
            "matching found on the clean samples (frozen) and found again (re-matched)",
        ]
    return " · ".join([*parts, _training(column, card)])


def _training(column: Column, card: CheckpointCard) -> str:
    of = f" of {column.half:,}" if column.is_small(card) else ""
    precision = f", convolutions in {card.recipe['precision']}" if "precision" in card.recipe else ""
    seeds = f", lowest loss of {len(card.runs)} seeds" if len(card.runs) > 1 else ""
    return (
        f"model trained by protocol {card.protocol} on {card.samples:,}{of} samples, seed {card.seed}{seeds}{precision}"
        f" · weights {card.sha256[:8]}"
    )


def over_seeds(cell: Cell, metric: str, matching: str) -> str:
    """How far seeds lie apart: those that were trained to the end, or those that a checkpoint was chosen from."""
    values = cell.values(metric, matching)
    if len(values) > 1:
        each = ", ".join(f"{value:.2f}" for value in values)
        mean, deviation = cell.mean(metric, matching), cell.deviation(metric, matching)
        numbers = f"{METRICS[metric]} {mean:.3f} ± {deviation:.3f} ({each})"
        return f"Over {len(values)} seeds, each trained to the end: {numbers}."
    both = None if cell.card is None else spread(cell.card)
    if cell.card is None or both is None:
        return ""
    each = ", ".join(f"{run['accuracy']:.2f}" for run in cell.card.runs)
    return (
        f"Before the attack, over the {len(cell.card.runs)} seeds that the checkpoint was chosen from: "
        f"ACC {both[0]:.3f} ± {both[1]:.3f} ({each})."
    )


def commands(cell: Cell) -> tuple[str, ...]:
    """What repeats our number, or makes it where it is missing, in order."""
    if cell.remedy:
        return (cell.remedy,)
    if cell.ours is not None and cell.ours.trial is not None:
        return (trial_words.command(cell.ours.trial.spec, cell.scale),)
    spec = cell.run if cell.ours is None else cell.ours.spec
    if spec is not None:
        return (words.command(spec),)
    cards = [cell.card] if cell.ours is None or cell.ours.state == BEFORE else [cell.card, cell.attacker]
    return tuple(card.command for card in cards if card is not None)


def states(table: ResultTable, row: str, column: Column) -> list[tuple[str, ...]]:
    """The evidence side by side: a row for each state of this model on this data set that there are numbers for."""
    rows = []
    for other in table.columns:
        cell = table.cells[row, other.key]
        if (other.dataset, other.title) == (column.dataset, column.title) and (
            cell.ours is not None or other is column
        ):
            name = _state_name(other, cell)
            name = f"**{name}**" if other is column else name
            rows.append((name, *_numbers(cell), _paper_numbers(cell)))
    return rows


def _state_name(column: Column, cell: Cell) -> str:
    if column.state == BEFORE:
        return "clean"
    epsilon = cell.ours.epsilon if cell.ours is not None else column.epsilon
    at = "" if math.isnan(epsilon) else f", ε = {words.epsilon_text(epsilon)}"
    return f"{words.attack_name(column.state)}{at}"


def _numbers(cell: Cell) -> tuple[str, ...]:
    if cell.ours is None:
        return ("not yet", "", "", "", "")
    ours = cell.ours
    values = (ours.frozen.accuracy, ours.rematched.accuracy, ours.frozen.nmi, ours.frozen.ari)
    return (
        *("" if math.isnan(value) else f"{value:.3f}".replace("-0.000", "0.000") for value in values),
        f"{ours.samples:,}",
    )


def _paper_numbers(cell: Cell) -> str:
    if cell.paper is None:
        return ""
    values = (cell.paper.accuracy, cell.paper.nmi, cell.paper.ari)
    return " ".join(f"{value:.2f}" for value in values if not math.isnan(value))


def notes(table: ResultTable, columns: Sequence[Column], matching: str) -> list[str]:
    """What must be known to read the table, one sentence or two each."""
    lines = [
        f"Large: ours, protocol {table.protocol}, on held-out samples. Small: the paper's (Huang et al., ICML 2024), "
        f"one run, and our difference from it: {SIGNS['agrees']} within {AGREES:g}, {SIGNS['higher']} ours higher, "
        f"{SIGNS['lower']} ours lower."
    ]
    if any(column.dataset for column in columns):
        lines.append(
            f"{NOT_RUN} not computed yet, can be run here. {NOT_TRAINED} needs a command first, which the cell names. "
            "Choose a cell for its evidence."
        )
    else:
        lines.append(TABLE_2_NOTE)
    if matching == "frozen" and any(column.state != BEFORE for column in columns if column.dataset):
        lines.append("Ours under attack keeps the matching of the clean samples; the paper's is found again.")
    lines += _stand_ins(columns)
    lines += _small(table, columns)
    return lines


def _stand_ins(columns: Iterable[Column]) -> Iterator[str]:
    titles = {column.title: column.stands_for for column in columns if column.stands_for}
    if titles:
        pairs = ", ".join(f"{title} for {paper}" for title, paper in titles.items())
        yield f"Stand-ins, embedded in the lab: {pairs}. Theirs are other data, so the difference is not drawn."


def _small(table: ResultTable, columns: Iterable[Column]) -> Iterator[str]:
    sizes: dict[str, set[tuple[int, int]]] = {}
    is_short = False
    for column in columns:
        for row in table.rows:
            cell = table.cells[row, column.key]
            if cell.small and cell.ours is not None:
                sizes.setdefault(column.title if column.dataset else row, set()).add(_size(cell))
                is_short |= cell.ours.trial is not None and cell.scale != "long"
    if sizes:
        parts = [f"{title} {' or '.join(map(_size_text, sorted(found)))}" for title, found in sizes.items()]
        shorter = ", some for fewer epochs (a cell says how many)" if is_short else ""
        trained = "The model or its attacker trained at a size for CPUs, not the paper's"
        yield f"{SMALL} {trained}{shorter}: {'; '.join(parts)}."


def _size(cell: Cell) -> tuple[int, int]:
    """Training samples and scored samples of a cell with a number."""
    assert cell.ours is not None
    if cell.ours.trial is not None:
        provenance = cell.ours.trial.provenance
        return provenance.training_samples, provenance.scored_samples
    behind = (cell.card, cell.attacker if cell.ours.state == AFTER else None)
    return min((card.samples, card.held_out_samples) for card in behind if card is not None)


def _size_text(numbers: tuple[int, int]) -> str:
    return "{:,} samples, scored on {:,}".format(*numbers)


def frame_of(spec: SweepSpec, column: Column) -> int:
    """The place in a sweep of a column's ε; of the clean column, the largest ε."""
    if column.state == BEFORE:
        return spec.points - 1
    return min(range(spec.points), key=lambda place: abs(spec.epsilons[place] - column.epsilon))


def confusion_note(record: ConfusionRecord) -> str:
    """What the matrices are of."""
    attack = record.spec.attack
    return (
        f"{words.attack_name(attack.attack)}, {attack.samples} held-out samples, seed {attack.seed}. Columns are in "
        "the order of the labels they match on the clean samples."
    )


def figures_note(column: Column) -> str:
    """What Figures 3 and 5 show, on which data."""
    other = "" if column.dataset == PAPERS_FIGURES else " The paper's are of NoisyMNIST."
    return (
        "Figures 3 and 5: labels (rows) by clusters (columns) before and after the GAN attack at "
        f"ε = {words.epsilon_text(column.epsilon)}, {SAMPLES} held-out samples of {column.title}, seed 0. Columns keep "
        f"the order that the clean samples give them.{other}"
    )


def figure_title(model: str, cell: Cell) -> str:
    """A model with its figure in the paper and its accuracy after the attack."""
    where = next((f", {name}" for name, models in CONFUSION_FIGURES.items() if model in models), "")
    title = f"**{words.model_name(model)}**{where}"
    if cell.ours is None:
        return title
    frozen, again = cell.ours.frozen.accuracy, cell.ours.rematched.accuracy
    return f"{title} · ACC after {frozen:.2f} frozen, {again:.2f} re-matched"
