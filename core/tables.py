"""The paper's tables with ours beside them: from cards, stored sweeps and what is published. Nothing is computed here.

A cell without a number of ours says why, and which command or which sweep would make it. What the paper prints stands
beside it only where it is of the same data; a stand-in shows it without a difference.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean, stdev

from core.data.facts import DatasetFacts
from core.errors import LabError
from core.published.ar_dmvc import TABLE_1, TABLE_3, TABLE_3_EPSILONS
from core.records import AttackScores, CheckpointCard, Scores, SweepScores, SweepSpec, TrainSpec
from core.studies import plans
from core.studies.records import Scale, TrialRecord, TrialSpec
from core.table_records import AFTER, BEFORE, CONTROLS, METRICS, Cell, Column, Result, ResultTable

MODELS = (
    *("eamc", "simvc", "comvc", "multi_vae", "aecoddc", "infoddc", "sem"),
    *("cl_mvc", "ar_dmvc", "ar_dmvc_am", "rcd_mvc"),
)
OURS = (plans.OWN,)  # in no other protocol
STANDS_FOR = {"synthetic_people": "regdb", "noisy_digits": "noisy_mnist", "patched_digits": "patched_mnist"}
DATASETS = (
    "regdb",
    "synthetic_people",
    "noisy_fashion",
    "noisy_mnist",
    "patched_mnist",
    "noisy_digits",
    "patched_digits",
)
DATASETS_3 = ("noisy_mnist", "patched_mnist", "noisy_digits", "patched_digits")
ENSEMBLE = "ensemble"
AGREES = 0.05  # the largest difference from the paper's one run that counts as agreement


@dataclass(frozen=True, kw_only=True)
class Sources:
    """Where a table's numbers come from.

    ``stored`` looks up a sweep on today's weights, ``training`` is how a checkpoint was made, ``repeats`` says whether
    a training is a checkpoint's but for its seed.
    """

    models: tuple[CheckpointCard, ...]
    attackers: tuple[CheckpointCard, ...]
    facts: Mapping[str, DatasetFacts]
    stored: Callable[[SweepSpec], SweepScores | None]
    trial: Callable[[TrialSpec], TrialRecord | None]
    training: Callable[[CheckpointCard], TrainSpec | None]
    repeats: Callable[[TrainSpec, CheckpointCard], bool]

    def model(self, dataset: str, model: str, protocol: str) -> CheckpointCard | None:
        """A model's checkpoint by that protocol."""
        name = model if protocol == "lab" else f"{model}.{protocol}"
        return next((card for card in self.models if (card.dataset, card.name) == (dataset, name)), None)

    def attacker(self, card: CheckpointCard) -> CheckpointCard | None:
        """The attacker that was trained against exactly these weights."""
        return next((other for other in self.attackers if other.target_sha256 == card.sha256), None)


def make_table(name: str, sources: Sources, protocol: str = "lab") -> ResultTable:
    """A table of TABLES. Raises :class:`LabError` for another name."""
    if name not in TABLES:
        raise LabError(f"There is no table {name!r}. Choose one of {', '.join(TABLES)}.")
    return TABLES[name](sources, protocol)


def check_dataset(dataset: str) -> None:
    """Raises :class:`LabError` for a data set that these tables have no column for."""
    if dataset not in DATASETS:
        raise LabError(f"The tables of AR-DMVC have no column for {dataset!r}. Choose one of {', '.join(DATASETS)}.")


def concerns(card: CheckpointCard) -> bool:
    """Whether a checkpoint stands in these tables: other papers' models have tables of their own."""
    return card.dataset in DATASETS and card.model in MODELS


def difference(cell: Cell, column: Column, metric: str, matching: str) -> float | None:
    """Ours less the paper's at the two decimals that it prints, None where they cannot be compared."""
    if cell.ours is None or cell.paper is None or column.stands_for:
        return None
    change = round(cell.mean(metric, matching), 2) - float(getattr(cell.paper, metric))
    return None if math.isnan(change) else round(change, 2)


def agreement(change: float | None) -> str:
    """ "agrees", "higher" or "lower" than the paper; empty for no difference to speak of."""
    if change is None:
        return ""
    return "agrees" if abs(change) <= AGREES else "higher" if change > 0 else "lower"


def _column(sources: Sources, dataset: str, state: str, epsilon: float) -> Column:
    facts, paper = sources.facts[dataset], STANDS_FOR.get(dataset)
    return Column(
        key=f"{dataset}/{state if state != AFTER else f'{epsilon:g}'}",
        dataset=dataset,
        title=facts.title,
        state=state,
        epsilon=epsilon,
        half=facts.samples // 2,
        stands_for=sources.facts[paper].title if paper else "",
    )


def _rows(protocol: str) -> tuple[str, ...]:
    """The models that a protocol has: our own defense is in ours alone."""
    return tuple(model for model in MODELS if protocol == "lab" or model not in OURS)


def _table_1(sources: Sources, protocol: str) -> ResultTable:
    """Before and after the GAN attack at the paper's ε, controls beside every after."""
    columns = tuple(
        _column(sources, dataset, state, 0.0 if state == BEFORE else sources.facts[dataset].epsilon)
        for dataset in DATASETS
        for state in (BEFORE, AFTER, *CONTROLS)
    )
    rows = _rows(protocol)
    cells = {(row, column.key): _cell_1(sources, protocol, row, column) for row in rows for column in columns}
    return ResultTable(
        name="table_1", protocol=protocol, rows=rows, columns=columns, cells=cells, metrics=tuple(METRICS)
    )


def _cell_1(sources: Sources, protocol: str, model: str, column: Column) -> Cell:
    published = TABLE_1.get((model, _paper_dataset(column)))
    cell = Cell()
    if published is not None and not column.control:
        cell = Cell(paper=Scores(*(published.before if column.state == BEFORE else published.after)))
    return _fill(sources, protocol, model, column, cell)


def _paper_dataset(column: Column) -> str:
    return STANDS_FOR.get(column.dataset, column.dataset)


def _table_3(sources: Sources, protocol: str) -> ResultTable:
    """ACC under the GAN attack at three ε."""
    columns = tuple(_column(sources, dataset, AFTER, epsilon) for dataset in DATASETS_3 for epsilon in TABLE_3_EPSILONS)
    cells, rows = {}, _rows(protocol)
    for row in rows:
        for column in columns:
            printed = TABLE_3.get((row, _paper_dataset(column)))
            place = TABLE_3_EPSILONS.index(column.epsilon)
            paper = None if printed is None else Scores(printed[place], math.nan, math.nan)
            cells[row, column.key] = _fill(sources, protocol, row, column, Cell(paper=paper))
    return ResultTable(
        name="table_3", protocol=protocol, rows=rows, columns=columns, cells=cells, metrics=("accuracy",)
    )


def contradiction(model: str, column: Column) -> tuple[float, float] | None:
    """What the paper's Tables 1 and 3 print for the same ACC, if that is not the same."""
    first, third = TABLE_1.get((model, _paper_dataset(column))), TABLE_3.get((model, _paper_dataset(column)))
    if first is None or third is None or column.state != AFTER or column.epsilon != TABLE_3_EPSILONS[-1]:
        return None
    return None if first.after[0] == third[-1] else (first.after[0], third[-1])


def _table_2(sources: Sources, protocol: str) -> ResultTable:
    """Transfer of robustness: five classes to train on, five others to attack. The paper's are taken as after it."""
    columns = tuple(
        Column(
            key=model if state == AFTER else f"{model}/{state}", dataset="", title=model, state=state, epsilon=math.nan
        )
        for model in plans.DEFENSES
        for state in (BEFORE, AFTER)
    )
    cells, names = {}, []
    for row in plans.table_2_rows():
        parts = (f"{sources.facts[name].title} {classes[0]}–{classes[-1]}" for name, classes in row.parts)
        names.append(" → ".join(parts))
        for column in columns:
            cells[names[-1], column.key] = _cell_2(sources, protocol, row, column)
    return ResultTable(
        name="table_2", protocol=protocol, rows=tuple(names), columns=columns, cells=cells, metrics=("accuracy", "nmi")
    )


def _cell_2(sources: Sources, protocol: str, row: plans.Row, column: Column) -> Cell:
    cell = Cell()
    if row.published is not None and column.state == AFTER:
        accuracy, nmi = getattr(row.published, column.title)
        cell = Cell(paper=Scores(accuracy, nmi, math.nan))
    if protocol != "lab":
        return replace(cell, missing="Transfers are trained by the lab's protocol only.")
    return _fill_by_trials(sources, column, cell, [plans.table_2(row, column.title)])


TABLES: dict[str, Callable[[Sources, str], ResultTable]] = {
    "table_1": _table_1,
    "table_2": _table_2,
    "table_3": _table_3,
}


def _fill(sources: Sources, protocol: str, model: str, column: Column, cell: Cell) -> Cell:
    """The cell with what there is of ours: the checkpoint's number, then those of trials from other seeds."""
    seeds = [plans.table_1(column.dataset, model, protocol, seed) for seed in plans.SEEDS[protocol]]
    option = "" if protocol == "lab" else f" --protocol {protocol}"
    card = sources.model(column.dataset, model, protocol)
    if card is None:
        remedy = f"python -m core train {column.dataset}/{model}{option}"
        cell = _fill_by_trials(sources, column, cell, seeds)
        return (
            cell
            if cell.results
            else replace(cell, missing=_no_checkpoint(sources.facts[column.dataset]), remedy=remedy)
        )
    attacker = sources.attacker(card)
    sweeps = tuple(_sweeps(column, card, attacker))
    run = min(sweeps, key=lambda spec: spec.points, default=None) if column.state != ENSEMBLE else None
    is_small = column.is_small(card) or (column.state == AFTER and column.is_small(attacker))
    scale: Scale = "small" if is_small else "full"
    cell = replace(cell, card=card, attacker=attacker, sweeps=sweeps, run=run, scale=scale)
    if column.state == BEFORE:
        scores = Scores(**card.scores["held_out"])
        return _with_seeds(sources, column, cell, _of_card(BEFORE, scores, scores, 0.0, card), seeds)
    if not sweeps:
        remedy = f"python -m core train {card.dataset}/{card.name}.gan{option}"
        return replace(cell, missing="No attacker has been trained against these weights yet.", remedy=remedy)
    ours = next(_results(sources, column, attacker, sweeps), None)
    if ours is None and column.state == ENSEMBLE:
        remedy = f"python -m core results {card.dataset}/{card.name} --attack ensemble"
        return replace(cell, missing="Not run yet: up to hours without a GPU.", remedy=remedy)
    if ours is None:
        return replace(cell, missing="The sweep that shows it has not been run here yet.")
    return _with_seeds(sources, column, cell, ours, seeds)


def _with_seeds(sources: Sources, column: Column, cell: Cell, ours: Result, seeds: Sequence[TrialSpec]) -> Cell:
    """The checkpoint's number and those of trials that differ from its training in the seed alone."""
    card = cell.card
    assert card is not None
    training = sources.training(card)
    sized = (plans.sized(spec, scale, training) for scale in plans.SCALES for spec in seeds)
    found = ((result, result.trial) for result in _trials(sources, column, sized))
    others = {result.seed: result for result, trial in found if trial and sources.repeats(trial.spec.train, card)}
    return replace(cell, results=(ours, *others.values()))


def _fill_by_trials(sources: Sources, column: Column, cell: Cell, specs: Sequence[TrialSpec]) -> Cell:
    """The cell with what trials alone say, those of the largest scale that some were made at."""
    for scale in plans.SCALES:
        found = tuple(_trials(sources, column, [plans.sized(spec, scale) for spec in specs]))
        if found:
            return replace(cell, results=found, scale=scale)
    dataset = specs[0].dataset
    remedy = f"python -m core tables --dataset {dataset} --train"
    return replace(cell, missing="It has not been trained and scored yet.", remedy=remedy)


def _trials(sources: Sources, column: Column, specs: Iterable[TrialSpec]) -> Iterator[Result]:
    """What the trials that were made say of a column."""
    for spec in specs:
        trial = sources.trial(spec)
        scores = None if trial is None else _of_state(trial, column)
        if trial is not None and scores is not None:
            yield Result(
                state=column.state,
                frozen=scores.frozen,
                rematched=scores.rematched,
                epsilon=0.0
                if column.state == BEFORE
                else spec.epsilons[-1]
                if math.isnan(column.epsilon)
                else column.epsilon,
                samples=trial.provenance.scored_samples,
                seed=spec.train.seed,
                spec=None,
                trial=trial,
            )


def _of_state(trial: TrialRecord, column: Column) -> AttackScores | None:
    if column.state == BEFORE:
        return trial.clean
    rows = trial.states.get(column.state)
    if rows is None:
        return None
    pairs = zip(trial.spec.epsilons, rows, strict=True)
    found = (scores for epsilon, scores in pairs if math.isnan(column.epsilon) or math.isclose(epsilon, column.epsilon))
    return next(found, None)


def _no_checkpoint(facts: DatasetFacts) -> str:
    first = f" Bring {facts.title} first, under its own licence." if facts.origin == "brought" else ""
    return f"No checkpoint of this model on this data set has been trained yet.{first}"


def _sweeps(column: Column, card: CheckpointCard, attacker: CheckpointCard | None) -> Iterator[SweepSpec]:
    """The sweeps that show a column: of its attack; for the clean state and the controls, of any."""
    if column.state == ENSEMBLE:
        yield from (plans.ensemble(card, steps) for steps in plans.ENSEMBLE_STEPS)
        return
    if attacker is not None and column.state != "pgd":
        yield (gan := SweepSpec(attack=plans.gan(card, attacker)))
        yield from _shorter(gan, column)
    if column.state != AFTER:
        yield (pgd := SweepSpec(attack=plans.pgd(card)))
        yield replace(pgd, points=2)


def _shorter(spec: SweepSpec, column: Column) -> Iterator[SweepSpec]:
    """The sweep with its last ε alone, if that is the column's."""
    if column.epsilon in (0.0, spec.attack.epsilon):
        yield replace(spec, points=2)


def _results(
    sources: Sources,
    column: Column,
    attacker: CheckpointCard | None,
    sweeps: tuple[SweepSpec, ...],
) -> Iterator[Result]:
    """Ours for a column under attack, the best first: on all held-out samples by the card, else by a stored sweep."""
    if attacker is not None and f"{column.state}_frozen" in attacker.scores:
        epsilon = float(attacker.recipe["epsilon"])
        if math.isclose(epsilon, column.epsilon):
            frozen = attacker.scores[f"{column.state}_frozen"]
            again = attacker.scores.get(f"{column.state}_rematched", {**frozen, "accuracy": math.nan})
            yield _of_card(column.state, Scores(**frozen), Scores(**again), epsilon, attacker)
    for spec in sweeps:
        stored = sources.stored(spec)
        scores = None if stored is None else _at(stored, column)
        if scores is not None:
            yield Result(
                state=column.state,
                frozen=scores.frozen,
                rematched=scores.rematched,
                epsilon=column.epsilon,
                samples=spec.attack.samples,
                seed=spec.attack.seed,
                spec=spec,
            )


def _of_card(state: str, frozen: Scores, rematched: Scores, epsilon: float, card: CheckpointCard) -> Result:
    return Result(
        state=state,
        frozen=frozen,
        rematched=rematched,
        epsilon=epsilon,
        samples=card.held_out_samples,
        seed=card.seed,
        spec=None,
    )


def _at(stored: SweepScores, column: Column) -> AttackScores | None:
    """The scores of the column's state at its ε, None where the sweep has no such point."""
    rows = stored.attack if column.state == stored.spec.attack.attack else stored.controls.get(column.state)
    if rows is None:
        return None
    points = zip(stored.spec.epsilons, rows, strict=True)
    return next((scores for epsilon, scores in points if math.isclose(epsilon, column.epsilon)), None)


def spread(card: CheckpointCard) -> tuple[float, float] | None:
    """Mean and standard deviation of the held-out accuracy over all seeds of a checkpoint, None of fewer than two."""
    accuracies = [run["accuracy"] for run in card.runs]
    return (fmean(accuracies), stdev(accuracies)) if len(accuracies) > 1 else None


def before_attack(card: CheckpointCard) -> Scores | None:
    """What the paper prints for a checkpoint's model on its data set before the attack."""
    published = TABLE_1.get((card.model, card.dataset))
    return None if published is None else Scores(*published.before)
