"""What stands behind a cell of a table: all states, the protocol, the command, the confusion matrices, the ways on."""

import streamlit as st

from core.figures import matrices, table_words
from core.table_records import BEFORE, Cell, Column, ResultTable
from pages.ui import address, cache, components, errors, jobs_bar, links

CHOSEN = "_cell"
MATRICES = 430  # pixels of a model's two matrices: two models, or one and its commands, lie side by side on a laptop
COMMANDS = 410  # pixels of what makes its number again


def chosen() -> str:
    """The chosen cell, as the address names it; empty for none."""
    if CHOSEN not in st.session_state:
        st.session_state[CHOSEN] = (address.arrived("cell") or [""])[-1][:100]
    return str(st.session_state[CHOSEN])


def remember() -> None:
    """Put the cell that was just chosen into the address; the callback of the table."""
    st.session_state[CHOSEN] = components.chosen_cell()
    if st.session_state[CHOSEN]:
        st.query_params["cell"] = st.session_state[CHOSEN]
    else:
        st.query_params.pop("cell", None)


def show(table: ResultTable, row: str, column: Column, metric: str, matching: str) -> None:
    """The evidence of one cell."""
    cell = table.cells[row, column.key]
    st.subheader(table_words.heading(row, column), anchor=False, divider="gray")
    _sentences(row, column, cell, metric, matching)
    rows = table_words.states(table, row, column)
    st.table(dict(zip(table_words.STATES_HEADER, zip(*rows, strict=True), strict=True)), border="horizontal")
    if not cell.sweeps:  # no matrices either
        _origin(row, column, cell)
        return
    with st.container(horizontal=True, gap="medium"):
        with st.container(width=MATRICES):
            _confusion(row, column, cell)
        with st.container(width=COMMANDS):
            _origin(row, column, cell)


def _origin(row: str, column: Column, cell: Cell) -> None:
    """What the number depends on, what makes it again, and the ways on."""
    if table_words.protocol(column, cell):
        st.caption(table_words.protocol(column, cell))
    st.markdown("To make this number again:" if cell.ours else "To make it:")
    for command in table_words.commands(cell):
        st.code(command, language=None, wrap_lines=True)
    _ways(row, column, cell)


def _sentences(row: str, column: Column, cell: Cell, metric: str, matching: str) -> None:
    if cell.missing:
        st.info(cell.missing, icon=":material/pending:")
    for sentence in (
        table_words.beside_the_paper(row, column, cell, metric, matching),
        table_words.over_seeds(cell, metric, matching),
    ):
        if sentence:
            st.markdown(sentence)


def _confusion(row: str, column: Column, cell: Cell) -> None:
    record = cache.confusion(cell.sweeps)
    if record is not None:
        facts = cache.lab().dataset_facts(column.dataset)
        frame = table_words.frame_of(record.spec, column)
        st.plotly_chart(
            matrices.before_and_after(record, facts.class_names, frame),
            key="confusion-cell",
            config={"displaylogo": False},
            alt=matrices.spoken(record, frame),
        )
        st.caption(table_words.confusion_note(record))
    elif cell.run is not None:
        compute(cell, "Compute the confusion matrices", "cell")


def compute(cell: Cell, label: str, key: str) -> None:
    """A button that queues the quickest sweep that shows a cell; its progress while it runs, its error if it failed."""
    spec = cell.run
    if spec is None:
        return
    job = cache.jobs().get(spec.digest)
    if job is not None and job.active:
        st.progress(job.progress, text=f"{job.title}: {jobs_bar.progress_text(job)}")
        return
    if job is not None and job.state == "failed":
        errors.say(job.error)
    st.button(
        label,
        icon=":material/play_arrow:",
        key=f"compute-{key}",
        on_click=jobs_bar.submit,
        args=(spec,),
        help=f"{spec.attack.samples} held-out samples, seed {spec.attack.seed}. Seconds; PGD about a minute on a CPU.",
    )


def _ways(row: str, column: Column, cell: Cell) -> None:
    """Where the same checkpoint and ε can be looked at."""
    with st.container(horizontal=True):
        if cell.card is not None and cell.sweeps:
            attack = cell.sweeps[0].attack
            shown = column.state if column.state != BEFORE else attack.attack
            links.see(
                "attack",
                "Pictures, map and flow",
                key="cell-attack",
                at=None if column.state == BEFORE else column.epsilon,
                note="Opens the same checkpoint, attack and ε on the Attack page.",
                data=column.dataset,
                model=cell.card.name,
                attack=shown,
                eps=attack.epsilon,
                n=attack.samples,
                seed=attack.seed,
            )
        if cell.remedy and column.dataset:
            attacker = cell.card is not None
            links.see(
                "train",
                "Train",
                key="cell-train",
                note="Opens the page that starts trainings.",
                tr_data=column.dataset,
                tr_kind="attacker" if attacker else "model",
                **({"tr_target": cell.card.name} if attacker else {"tr_model": row}),
            )
