"""A table of the paper on the screen: its choices, the table, what is still to be computed, the downloads."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import partial

import streamlit as st

from core.figures import table_text, table_words, tables
from core.records import SweepSpec
from core.studies.plans import SAMPLES, SEEDS
from core.table_records import METRICS, Column, ResultTable
from pages.ui import address, cache, components, downloads, jobs_bar, tables_evidence

TABLES = ("table_1", "table_2", "table_3")
TABS = {
    "table_1": "Table 1",
    "table_2": "Table 2",
    "table_3": "Table 3",
    "confusion": "Figures 3 and 5",
    "weights": "Figures 4, 6–8",
    "ablations": "Ablations",
    "transfer": "Attackers on other models",
}
PAPERS = ("regdb", "noisy_fashion", "noisy_mnist", "patched_mnist")  # shown first, RegDB by its stand-in
CONTROLS = {"noise": "Signed noise", "untrained_generator": "Untrained generator", "pgd": "PGD", "ensemble": "Ensemble"}
MATCHINGS = {"rematched": "Re-matched", "frozen": "Frozen"}


@dataclass(frozen=True)
class Choice:
    """What of a table is shown, and how."""

    table: str
    protocol: str
    datasets: tuple[str, ...]
    controls: tuple[str, ...]
    metric: str
    matching: str


def pick_tab() -> str:
    """Pick a table or a group of figures; a key of TABS."""
    address.check_options("tab", list(TABS), TABS.__getitem__, "the table")
    picked = st.segmented_control(
        "Table",
        list(TABS),
        format_func=TABS.__getitem__,
        default="table_1",
        required=True,
        key="tab",
        bind="query-params",
        label_visibility="collapsed",
    )
    return picked if picked in TABS else "table_1"


def pick(name: str) -> Choice:
    """Pick data sets, controls, metric and matching of a table, as far as it has them."""
    protocol = pick_protocol(cache.protocols(name))
    table = cache.table(name, protocol)
    datasets = _pick_datasets(table)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        metric = _pick_one("Metric", "metric", {key: METRICS[key] for key in table.metrics})
        matching = "rematched"
        if datasets:
            matching = _pick_one("Matching", "matching", MATCHINGS, MATCHING_HELP)
        controls = _pick_controls() if any(column.control for column in table.columns) else ()
    return Choice(name, protocol, datasets, controls, metric, matching)


MATCHING_HELP = (
    "Of ACC under attack. **Re-matched**: clusters are matched to labels again on the attacked samples, as the paper "
    "does. **Frozen**: the matching of the clean samples is kept, which is stricter. NMI and ARI need none."
)


PROTOCOL_HELP = (
    "**lab**: the checkpoints, and trainings like them from other seeds. **released**: as the public code of AR-DMVC "
    "does it, **paper**: as the paper says it. What was trained for these tables alone left numbers, no checkpoint."
)


def pick_protocol(there: Collection[str]) -> str:
    """Pick one of the protocols that something was trained by."""
    names = [name for name in SEEDS if name in there] or [next(iter(SEEDS))]
    return _pick_one("Protocol", "protocol", {name: name for name in names}, PROTOCOL_HELP)


def _pick_one(label: str, key: str, options: dict[str, str], note: str | None = None) -> str:
    """A segmented control over the keys of ``options``; without a choice to make, its only one."""
    first = next(iter(options))
    if len(options) == 1:
        return first
    address.check_options(key, list(options), options.__getitem__, f"the {label.lower()}")
    picked = st.segmented_control(
        label,
        list(options),
        format_func=options.__getitem__,
        default=first,
        required=True,
        key=key,
        bind="query-params",
        help=note,
    )
    return picked if picked in options else first


def _pick_datasets(table: ResultTable) -> tuple[str, ...]:
    titles = {column.dataset: column.title for column in table.columns if column.dataset}
    if not titles:
        return ()
    trained = {card.dataset for card in cache.cards()}
    usual = [name for name in titles if name in PAPERS and (name != "regdb" or name in trained)]
    if "regdb" in titles and "regdb" not in trained:
        usual.insert(0, "synthetic_people")
    key = f"sets-{table.name}"
    address.check_options(key, list(titles), titles.__getitem__, "the data sets")
    picked = st.pills(
        "Data sets",
        list(titles),
        format_func=titles.__getitem__,
        selection_mode="multi",
        default=usual,
        key=key,
        bind="query-params",
    )
    chosen = tuple(name for name in titles if name in (picked or ())) or tuple(usual)
    filled = {column.dataset for column in table.columns for row in table.rows if table.cells[row, column.key].ours}
    missing = ", ".join(titles[name] for name in chosen if name not in filled)
    there = ", ".join(title for name, title in titles.items() if name in filled and name not in chosen)
    if missing and there:
        st.caption(f"Nothing of ours for {missing} yet. By this protocol there are numbers of {there}: choose above.")
    return chosen


def _pick_controls() -> tuple[str, ...]:
    address.check_options("beside", list(CONTROLS), CONTROLS.__getitem__, "the control")
    picked = st.pills(
        "Beside every “after”",
        list(CONTROLS),
        format_func=CONTROLS.__getitem__,
        selection_mode="multi",
        default=["noise"],
        key="beside",
        bind="query-params",
        help="At the same ε. Noise and the untrained generator are controls; PGD and the ensemble are other attacks.",
    )
    return tuple(name for name in CONTROLS if name in (picked or ()))


def show(choice: Choice) -> None:
    """The table and, below it, the evidence of the chosen cell. Looks again by itself while sweeps run for it."""
    jobs_bar.watch(partial(_show, choice), lambda: _running(*_chosen(choice)), tick=jobs_bar.SLOW_TICK)


def _chosen(choice: Choice) -> tuple[ResultTable, list[Column]]:
    table = cache.table(choice.table, choice.protocol)
    return table, tables.chosen(table, choice.datasets, choice.controls)


def _show(choice: Choice) -> None:
    table, columns = _chosen(choice)
    chosen = tables_evidence.chosen()
    components.tables(tables.screen(table, columns, choice.metric, choice.matching, chosen), tables_evidence.remember)
    st.caption("  \n".join(table_words.notes(table, columns, choice.matching)))
    with st.container(horizontal=True, vertical_alignment="center"):
        _compute(table, columns)
        _downloads(table, columns, choice)
    place = tables.find(table, chosen)
    if place is not None:
        tables_evidence.show(table, *place, choice.metric, choice.matching)


def missing(table: ResultTable, columns: Sequence[Column]) -> tuple[SweepSpec, ...]:
    """The sweeps that the shown cells without a number wait for, each once; quick ones first."""
    cells = [table.cells[row, column.key] for row in table.rows for column in columns]
    specs = dict.fromkeys(cell.run for cell in cells if cell.ours is None and cell.run is not None)
    return tuple(sorted(specs, key=lambda spec: (spec.attack.attack == "pgd", spec.points)))


def _running(table: ResultTable, columns: Sequence[Column]) -> list[cache.JobView]:
    """The running and waiting jobs that this table shows."""
    cells = [table.cells[row, column.key] for row in table.rows for column in columns]
    shown = {spec.digest for cell in cells for spec in (*cell.sweeps, cell.run) if spec is not None}
    return running(shown)


def running(keys: Collection[str]) -> list[cache.JobView]:
    """Those of these jobs that run or wait."""
    return [job for job in cache.jobs().active() if job.key in keys]


def _compute(table: ResultTable, columns: Sequence[Column]) -> None:
    specs, jobs = missing(table, columns), _running(table, columns)
    if jobs:
        st.button("Cancel", icon=":material/stop:", key="cancel-table", on_click=cancel, args=(jobs,))
        st.caption(
            f":material/hourglass_top: **{jobs[0].title}**: {jobs_bar.progress_text(jobs[0])}; "
            f"{len(jobs) - 1} more wait.",
            width="content",
        )
    elif specs:
        slow = sum(spec.attack.attack == "pgd" for spec in specs)
        st.button(
            f"Compute {len(specs)} missing sweep{'s'[: len(specs) != 1]}",
            icon=":material/play_arrow:",
            key="compute-table",
            on_click=jobs_bar.submit,
            args=specs,
            help=f"On {SAMPLES} held-out samples each, one after another; what is done is kept. Seconds for "
            f"a GAN sweep, about a minute for PGD without a GPU ({slow} of them).",
        )


def cancel(jobs: Sequence[cache.JobView]) -> None:
    """Give jobs up for this session; call from a widget's callback."""
    for job in jobs:
        cache.jobs().cancel(job.key, owner=jobs_bar.owner())


def _downloads(table: ResultTable, columns: Sequence[Column], choice: Choice) -> None:
    name = f"{choice.table}-{choice.protocol}-{METRICS[choice.metric].lower()}"
    view = (table, columns, choice.metric, choice.matching)
    downloads.button(
        "Table",
        "csv",
        name,
        lambda: table_text.csv_text(table, columns),
        "One line a cell: all metrics, both matchings.",
    )
    downloads.button("Table", "md", name, lambda: table_text.markdown_text(*view), "As shown.")
    downloads.button("Table", "tex", name, lambda: table_text.latex_text(*view), "As shown, for booktabs.")
