"""What stands beside the paper's tables: ablations, attackers on other models, and the figures over λ, γ and epochs."""

from collections.abc import Sequence

import streamlit as st

from core.figures import ablation_rows, studies, trial_words
from core.studies import plans
from core.studies.records import TrialRecord, TrialSpec
from pages.ui import cache, downloads
from pages.ui.tables_figures import USUAL

STAND_IN = "noisy_digits"
PLOT = {"displaylogo": False}
HOW = "ACC with frozen matching, on held-out samples."
ABLATIONS = (
    (
        "The attacker with one of its two terms",
        "Remark 3.3 of the paper argues that both are needed: complementarity alone may leave the consensus as it is, "
        "consistency alone may leave some views untouched. The same CL-MVC, three attackers.",
        ablation_rows.attacker_terms,
        plans.attacker_terms,
    ),
    (
        "The defense with and without the attack mitigator",
        "AR-DMVC-AM, all else the same (Eq. 14). AR-DMVC has another inner attack, so Table 1 does not say this.",
        ablation_rows.mitigation,
        plans.mitigation,
    ),
    (
        "The strength of the attack inside the training",
        "Remark 4.1 argues that a weaker one leaves a more vulnerable model. AR-DMVC-AM, the inner ε changed.",
        ablation_rows.inner_epsilons,
        plans.inner_epsilons,
    ),
)


def usual(tab: str) -> str:
    """The data set that a tab opens with: the paper's, or the embedded stand-in while there is nothing of it."""
    return next((name for name in (USUAL, STAND_IN) if _is_begun(tab, name)), USUAL)


def _is_begun(tab: str, dataset: str) -> bool:
    """Whether anything of a tab's own is kept."""
    if tab == "transfer":
        return cache.lab().studies.kept_transfer(plans.transfer(dataset)) is not None
    own = {
        "ablations": lambda: (spec for *_, specs in ABLATIONS for spec in specs(dataset).values()),
        "weights": lambda: (plans.by_epoch(dataset), *(plans.weights(dataset, a, a) for a in plans.WEIGHTS)),
    }
    return any(_best(spec) is not None for spec in own[tab]())


def ablations(dataset: str) -> None:
    """The paper's arguments that it shows no numbers for, and one view attacked at a time."""
    epsilon = cache.lab().dataset_facts(dataset).epsilon
    wanted = [spec for *_, specs in ABLATIONS for spec in specs(dataset).values()]
    if any(_best(spec) is None for spec in wanted):
        _missing(dataset)
    for title, text, rows, specs in ABLATIONS:
        st.subheader(title, anchor=False)
        st.caption(f"{text} {HOW} ε = {epsilon:g}.")
        _table(ablation_rows.TRIAL_HEADER, rows(dataset, cache.lab().studies.kept_trial))
        _sources(list(specs(dataset).values()))
    st.subheader("One view attacked at a time", anchor=False)
    st.caption(f"The checkpoints of Table 1; the other views stay clean. {HOW} ε = {epsilon:g}.")
    cards = [card for card in cache.cards() if card.dataset == dataset and card.name in plans.COMPARED]
    attackers = {card.name: cache.lab().attacker(dataset, card.name) for card in cards}
    known = {name: card for name, card in attackers.items() if card is not None}
    names = cache.lab().dataset_facts(dataset).view_names
    _table(*ablation_rows.views(cards, known, names, cache.lab().scores))


def transfer(dataset: str) -> None:
    """Every attacker of a data set against every model of it."""
    spec = plans.transfer(dataset)
    record = cache.lab().studies.kept_transfer(spec)
    st.caption(
        f"Generators trained against one model, turned on the others. {HOW} ε = {spec.epsilon:g}, {spec.samples} "
        "samples. Framed: the model that the attacker knew. PGD made on one model and turned on another is not here."
    )
    if record is None:
        _missing(dataset, train=False)
        return
    st.markdown(studies.transfer_spoken(record))
    st.plotly_chart(studies.transfer_heat(record), key="transfer", config=PLOT, alt=studies.transfer_spoken(record))
    rows = [
        (attacker, target, record.accuracy[attacker, target], record.clean[target])
        for attacker in record.attackers
        for target in record.targets
    ]
    lines = ["trained_against,attacked,acc_frozen,acc_clean", *(",".join(map(str, row)) for row in rows)]
    downloads.button("Matrix", "csv", f"transfer-{dataset}", lambda: "\n".join(lines) + "\n", "A line a pair.")


def weights(dataset: str) -> None:
    """Figures 4 and 6-8: accuracy over λ and γ, and by epoch."""
    st.subheader("Accuracy over λ and γ", anchor=False)
    st.caption(
        "Figures 4 (a) and 6–8 (a) of the paper: AR-DMVC-AM under the GAN, a model and an attacker of its own at every "
        "point. The paper prints no numbers for them; it concludes that λ = 100 is best, that γ matters little, and "
        f"takes γ = 1. {HOW}"
    )
    records = {(a, b): _best(plans.weights(dataset, a, b)) for a in plans.WEIGHTS for b in plans.WEIGHTS}
    there = [record for record in records.values() if record is not None]
    if there:
        state = st.segmented_control(
            "Under", list(UNDER), format_func=UNDER.__getitem__, default="gan", required=True, key="under",
            bind="query-params", label_visibility="collapsed",
        )  # fmt: skip
        under = state if state in UNDER else "gan"
        fine = any(record is not None for (a, b), record in records.items() if {a, b} - set(plans.COARSE))
        shares = {place: None if record is None else _share(record, under) for place, record in records.items()}
        largest = max(share for share in shares.values() if share is not None)
        st.plotly_chart(
            studies.weights_heat(shares, plans.WEIGHTS if fine else plans.COARSE),
            key="weights",
            config=PLOT,
            alt=f"{len(there)} points of the grid are computed; the largest ACC is {largest:.2f}.",
        )
        st.caption(f"The first of {len(there)} points: {trial_words.protocol(there[0])}")
    else:
        _missing(dataset)
    st.subheader("Accuracy by epoch", anchor=False)
    st.caption(
        "Figures 4 (b) and 6–8 (b): AR-DMVC-AM after every epoch of its training. The paper draws scores under the GAN "
        f"and concludes that 30 epochs are enough; ours are under attacks that need no training of their own. {HOW}"
    )
    record = _best(plans.by_epoch(dataset))
    if record is None or not record.epochs:
        _missing(dataset)
        return
    last = record.epochs[-1].scores
    spoken = ", ".join(f"{name} {last[state].accuracy:.2f}" for state, (name, _) in studies.EPOCH_LINES.items())
    st.plotly_chart(studies.by_epoch(record), key="epochs", config=PLOT, alt=f"After the last epoch: {spoken}.")
    st.caption(trial_words.protocol(record))


UNDER = {"gan": "GAN", "pgd_assignment": "PGD on the assignment", "clean": "Clean"}


def _best(spec: TrialSpec) -> TrialRecord | None:
    return ablation_rows.best(spec, cache.lab().studies.kept_trial)


def _share(record: TrialRecord, state: str) -> float:
    scores = record.clean if state == "clean" else record.states[state][-1]
    return scores.frozen.accuracy


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table without the columns that have nothing."""
    columns = dict(zip(header, zip(*rows, strict=True), strict=True))
    st.table({title: cells for title, cells in columns.items() if any(cells)}, border="horizontal")


def _sources(specs: Sequence[TrialSpec]) -> None:
    """Where the numbers above come from."""
    records = [_best(spec) for spec in specs]
    there = [trial_words.protocol(record) for record in records if record is not None]
    if there:
        with st.expander("Where these numbers come from", icon=":material/receipt_long:"):
            st.markdown("\n\n".join(there))


def _missing(dataset: str, *, train: bool = True) -> None:
    st.info(
        "Some of this is not computed yet. The command computes it, and goes on where it was stopped:",
        icon=":material/pending:",
    )
    st.code(f"python -m core tables --dataset {dataset}{' --train' if train else ''}", language=None, wrap_lines=True)
