"""Which sweeps, transfers and trials make which table, figure and ablation, trials in the order of importance.

The same function says what is to be run and what a page looks up, so that a number can only stand where its own
trial put it. A cell has a trial at full size and three for processors: the model's training whole, all of its
epochs on a part of the data, and fewer of them. The largest that is there counts.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from core.data.facts import DATASET_FACTS
from core.ensemble_records import FULL_STEPS
from core.published.ar_dmvc import TABLE_2, TABLE_3_EPSILONS, Transfer
from core.records import AttackSpec, CheckpointCard, SweepSpec, TrainSpec
from core.studies.records import STATES, Change, Scale, TransferSpec, TrialSpec

SCALES: tuple[Scale, ...] = ("full", "model", "long", "small")
DEFENSES = ("ar_dmvc", "ar_dmvc_am")  # the paper's
# By protocol, in the order they are offered; the lab's 0 is the checkpoint, whose runs count on.
SEEDS = {"lab": (100, 200), "paper": (0,), "released": (0, 1, 2)}
WEIGHTS = (1e-3, 1e-2, 1e-1, 1.0, 1e1, 1e2, 1e3)  # λ and γ of Figures 4 and 6-8
COARSE = (1e-3, 1e-1, 1e1, 1e3)  # of them, first
INNER_EPSILONS = (0.0, 0.1, None, 0.3)  # None for the recipe's
WITH_TABLE_3 = ("noisy_mnist", "patched_mnist", "noisy_digits", "patched_digits")
HALVES = ((0, 1, 2, 3, 4), (5, 6, 7, 8, 9))
SMALL_SAMPLES = 4000  # of the training part of a real data set
SMALL_EPOCHS, SMALL_DEFENSE_EPOCHS, SMALL_ATTACKER_EPOCHS = 10, 5, 4
SMALL_EMBEDDED_DEFENSE_EPOCHS = 15  # of the last stage
SMALL_SCORED = 256
MODEL_SCORED = 512  # a standard error of .02 or less, where clean scores are to be compared
SAMPLES = 256  # of a sweep, as on the pages that attack
OWN = "rcd_mvc"  # this lab's own defense: in the lab's protocol alone
COMPARED = ("cl_mvc", *DEFENSES, OWN)  # undefended, and its defenses: under every attack
ENSEMBLE_STEPS = (FULL_STEPS, 10)  # the standard's, and a tenth of it
ENSEMBLE_SAMPLES = {  # where many samples fall late or never, and so meet every member to its end
    "noisy_mnist/rcd_mvc": 64,
    "noisy_fashion/rcd_mvc": 64,
    "patched_digits/rcd_mvc": 64,
    "patched_mnist/rcd_mvc": 64,
    "synthetic_people/rcd_mvc": 64,
    "noisy_fashion/ar_dmvc_am": 64,
    "patched_mnist/ar_dmvc_am": 64,
}
QUICK_STATES = ("noise", "pgd_assignment", "gan")


@dataclass(frozen=True)
class Row:
    """A row of Table 2: what it is trained on and what it is attacked on, each a data set and classes of it."""

    trained_on: tuple[str, tuple[int, ...]]
    scored_on: tuple[str, tuple[int, ...]]
    published: Transfer | None = None  # None for a stand-in of ours

    @property
    def parts(self) -> tuple[tuple[str, tuple[int, ...]], ...]:
        """Both, in this order."""
        return self.trained_on, self.scored_on


def sweeps(card: CheckpointCard, attacker: CheckpointCard | None) -> Iterator[SweepSpec]:
    """The sweeps of a checkpoint that come with the lab: under each attack, and of some one view at a time."""
    trained = [gan(card, attacker)] if attacker else []
    yield from (SweepSpec(attack=spec) for spec in trained)
    yield SweepSpec(attack=pgd(card), points=2)
    if card.name not in COMPARED:
        return
    yield SweepSpec(attack=pgd(card, "assignment"))
    for view in range(len(card.view_shapes)):
        yield from (one_view(spec, view) for spec in (*trained, pgd(card, "assignment")))


def gan(card: CheckpointCard, attacker: CheckpointCard) -> AttackSpec:
    """The GAN attack up to the paper's ε, as the Attack page runs it first."""
    return replace(pgd(card), attack="gan", target_mode=str(attacker.recipe.get("target_mode", "eval")))


def pgd(card: CheckpointCard, objective: str = "both") -> AttackSpec:
    """PGD up to the paper's ε, as the Attack page runs it first."""
    facts = DATASET_FACTS[card.dataset]
    return AttackSpec(
        dataset=card.dataset,
        model=card.name,
        attack="pgd",
        objective=objective,
        epsilon=facts.epsilon,
        samples=min(SAMPLES, facts.samples // 2),
    )


def ensemble(card: CheckpointCard, steps: int = FULL_STEPS) -> SweepSpec:
    """The strongest attack, at the data set's ε alone: minutes on a GPU, hours without one."""
    spec = pgd(card)
    samples = min(spec.samples, ENSEMBLE_SAMPLES.get(f"{card.dataset}/{card.name}", SAMPLES))
    return SweepSpec(attack=replace(spec, attack="ensemble", steps=steps, samples=samples), points=2)


def one_view(attack: AttackSpec, view: int) -> SweepSpec:
    """An attack that may change one view alone."""
    return SweepSpec(attack=replace(attack, views=(view,)), points=2)


def transfer(dataset: str) -> TransferSpec:
    """Every attacker of a data set against every model of it, at the paper's ε."""
    facts = DATASET_FACTS[dataset]
    return TransferSpec(dataset=dataset, epsilon=facts.epsilon, samples=min(SAMPLES, facts.samples // 2))


def sized(spec: TrialSpec, scale: Scale, checkpoint: TrainSpec | None = None) -> TrialSpec:
    """A trial of the recipe's size, or of one that a processor does in an hour, in half of one or in minutes.

    One of scale "model" has the model's whole training, and a shorter one of the attacker on all data; a long one has
    the recipe's epochs on a part of real data, a small one fewer. With the training of the ``checkpoint`` beside whose
    number they are to stand, all are that from another seed; where it was of all samples, only that of scale "model".
    """
    if scale == "full":
        return spec
    train, is_defense = replace(spec.train, precision="bfloat16"), spec.train.model in (*DEFENSES, OWN)
    is_short = scale == "small"
    is_embedded = DATASET_FACTS[train.dataset].origin == "embedded"
    repeat = None if checkpoint is None else replace(checkpoint, seed=train.seed, precision=train.precision)
    if repeat is not None and (is_embedded or repeat.samples):
        epochs = None if is_embedded else SMALL_ATTACKER_EPOCHS
        return replace(spec, train=repeat, attacker_epochs=epochs, scored_samples=SMALL_SCORED)
    if is_embedded:
        if spec.states != STATES or spec.by_epoch:  # no other seed of a checkpoint
            epochs = SMALL_EMBEDDED_DEFENSE_EPOCHS if is_short and is_defense else None
            train = replace(train, runs=1, epochs=epochs)
        return replace(spec, train=train, scored_samples=SMALL_SCORED)
    if scale == "model":
        return replace(
            spec,
            train=repeat or replace(train, runs=1),
            attacker_epochs=SMALL_ATTACKER_EPOCHS,
            scored_samples=MODEL_SCORED,
        )
    train = replace(train, runs=1, samples=SMALL_SAMPLES)
    if not is_short:
        return replace(spec, train=train, scored_samples=SMALL_SCORED)
    train = replace(train, epochs=SMALL_DEFENSE_EPOCHS if is_defense else SMALL_EPOCHS)
    return replace(spec, train=train, attacker_epochs=SMALL_ATTACKER_EPOCHS, scored_samples=SMALL_SCORED)


def table_1(dataset: str, model: str, protocol: str, seed: int) -> TrialSpec:
    """A model of Tables 1 and 3 from another seed, or by another protocol than the checkpoints'."""
    epsilons = {DATASET_FACTS[dataset].epsilon, *(TABLE_3_EPSILONS if dataset in WITH_TABLE_3 else ())}
    train = TrainSpec(dataset=dataset, model=model, protocol=protocol, seed=seed)
    return TrialSpec(train=train, epsilons=tuple(sorted(epsilons)))


def table_2_rows() -> tuple[Row, ...]:
    """The paper's eight rows, then two of ours on embedded data."""
    first, last = HALVES
    digits = "noisy_digits"
    return (
        *(Row(_part(*row.trained_on), _part(*row.scored_on), row) for row in TABLE_2),
        Row((digits, first), (digits, last)),
        Row((digits, last), (digits, first)),
    )


def table_2(row: Row, model: str, seed: int = 0) -> TrialSpec:
    """A defense trained on five classes, an attacker trained against it on five others, both scored there."""
    dataset, classes = row.scored_on
    return TrialSpec(
        train=TrainSpec(dataset=row.trained_on[0], model=model, seed=seed),
        classes=row.trained_on[1],
        scored_on=dataset,
        scored_classes=classes,
        epsilons=(DATASET_FACTS[dataset].epsilon,),
        states=QUICK_STATES,
    )


def weights(dataset: str, adversarial_weight: float, mitigation_weight: float) -> TrialSpec:
    """A point of Figure 4 (a)."""
    change = Change(adversarial_weight=adversarial_weight, mitigation_weight=mitigation_weight)
    return _of_defense(dataset, change)


def by_epoch(dataset: str) -> TrialSpec:
    """Figure 4 (b): AR-DMVC-AM after each of its epochs."""
    spec = _of_defense(dataset, Change())
    return replace(spec, train=replace(spec.train, runs=1), states=("noise", "pgd", "pgd_assignment"), by_epoch=True)


def mitigation(dataset: str) -> dict[str, TrialSpec]:
    """With and without the attack mitigator, all else the same (Eq. 14)."""
    return {"with": _of_defense(dataset, Change()), "without": _of_defense(dataset, Change(mitigation_weight=0.0))}


def inner_epsilons(dataset: str) -> dict[float | None, TrialSpec]:
    """The strength of the attack inside the training (Remark 4.1); None for the recipe's."""
    return {epsilon: _of_defense(dataset, Change(inner_epsilon=epsilon)) for epsilon in INNER_EPSILONS}


def attacker_terms(dataset: str) -> dict[str, TrialSpec]:
    """The attacker with one of its two terms, and with both (Remark 3.3), against the same CL-MVC."""
    changes = {
        "both": Change(),
        "complementarity": Change(consistency_weight=0.0),
        "consistency": Change(complementarity_weight=0.0),
    }
    train = TrainSpec(dataset=dataset, model="cl_mvc")
    epsilons = (DATASET_FACTS[dataset].epsilon,)
    return {
        name: TrialSpec(train=train, change=change, epsilons=epsilons, states=("noise", "gan"))
        for name, change in changes.items()
    }


def plan(
    datasets: Sequence[str], models: Sequence[str], scale: Scale, checkpoints: Sequence[TrainSpec] = ()
) -> list[TrialSpec]:
    """Every trial of these data sets, each once, the most important first; ``checkpoints`` are their trainings."""
    trainings = {(train.dataset, train.model, train.protocol): train for train in checkpoints}

    def beside(spec: TrialSpec) -> TrainSpec | None:
        """The checkpoint that a trial of Table 1 repeats from another seed."""
        train = spec.train
        is_repeat = spec == table_1(train.dataset, train.model, train.protocol, train.seed)
        return trainings.get((train.dataset, train.model, train.protocol)) if is_repeat else None

    return list(dict.fromkeys(sized(spec, scale, beside(spec)) for spec in _in_order(datasets, models)))


def _in_order(datasets: Sequence[str], models: Sequence[str]) -> Iterator[TrialSpec]:
    def repeats(protocol: str, seeds: Sequence[int]) -> Iterator[TrialSpec]:
        known = [model for model in models if protocol == "lab" or model != OWN]
        return (table_1(dataset, model, protocol, seed) for seed in seeds for dataset in datasets for model in known)

    yield from repeats("released", SEEDS["released"][:1])
    yield from (table_2(row, model) for row in table_2_rows() if row.scored_on[0] in datasets for model in DEFENSES)
    for dataset in datasets:
        yield from attacker_terms(dataset).values()
        yield from mitigation(dataset).values()
        yield by_epoch(dataset)
        yield from inner_epsilons(dataset).values()
    yield from repeats("lab", SEEDS["lab"])
    yield from repeats("released", SEEDS["released"][1:])
    yield from repeats("paper", SEEDS["paper"])
    for grid in (COARSE, WEIGHTS):
        yield from (weights(dataset, a, b) for dataset in datasets for a in grid for b in grid)


def _of_defense(dataset: str, change: Change) -> TrialSpec:
    return TrialSpec(
        train=TrainSpec(dataset=dataset, model="ar_dmvc_am"),
        change=change,
        epsilons=(DATASET_FACTS[dataset].epsilon,),
        states=QUICK_STATES,
    )


def _part(dataset: str, classes: str) -> tuple[str, tuple[int, ...]]:
    """ "0-4" as the classes that it names."""
    first, last = map(int, classes.split("-"))
    return dataset, tuple(range(first, last + 1))
