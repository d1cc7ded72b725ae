"""The figures of the paper that are confusion matrices of all models."""

from functools import partial

import streamlit as st

from core.figures import matrices, table_words, words
from core.table_records import AFTER, Cell, Column, ResultTable
from pages.ui import address, cache, jobs_bar, tables_evidence, tables_view

USUAL = "noisy_mnist"  # the paper's


def pick_dataset(first: str = USUAL) -> str:
    """Pick a data set that the tables have a column for and that has checkpoints; ``first`` unless another is asked."""
    lab = cache.lab()
    with_column = {column.dataset for column in cache.table("table_1", "lab").columns}
    names = list(dict.fromkeys(card.dataset for card in cache.cards() if card.dataset in with_column))
    titles = {name: lab.dataset_facts(name).title for name in names} or {USUAL: lab.dataset_facts(USUAL).title}
    usual = first if first in titles else next(iter(titles))
    address.check_options("figures", list(titles), titles.__getitem__, "the data set")
    picked = st.segmented_control(
        "Data set",
        list(titles),
        format_func=titles.__getitem__,
        default=usual,
        required=True,
        key="figures",
        bind="query-params",
        help="The paper shows NoisyMNIST.",
    )
    return picked if picked in titles else usual


def show(protocol: str, dataset: str) -> None:
    """Confusion matrices of every model, before and after the GAN attack at the paper's ε."""
    draw, jobs = partial(_show, protocol, dataset), partial(_running, protocol, dataset)
    jobs_bar.watch(draw, jobs, tick=jobs_bar.SLOW_TICK)


def _show(protocol: str, dataset: str) -> None:
    table = cache.table("table_1", protocol)
    jobs = _running(protocol, dataset)
    column = table.column(dataset, AFTER)
    st.caption(table_words.figures_note(column))
    waiting = [cell.run for cell in _cells(table, dataset) if cell.run and cache.confusion(cell.sweeps) is None]
    with st.container(horizontal=True, vertical_alignment="center"):
        if jobs:
            cancel = partial(tables_view.cancel, jobs)
            st.button("Cancel", icon=":material/stop:", key="figures-stop", on_click=cancel)
        elif waiting:
            st.button(
                f"Compute {len(waiting)} missing pair{'s'[: len(waiting) != 1]} of matrices",
                icon=":material/play_arrow:",
                type="primary",
                key="compute-figures",
                on_click=jobs_bar.submit,
                args=waiting,
            )
    with st.container(horizontal=True, gap="medium"):
        for model in table.rows:
            with st.container(width=tables_evidence.MATRICES):
                _model(model, column, table.cells[model, column.key])


def _model(model: str, column: Column, cell: Cell) -> None:
    st.markdown(table_words.figure_title(model, cell))
    record = cache.confusion(cell.sweeps)
    if record is not None:
        facts = cache.lab().dataset_facts(column.dataset)
        st.plotly_chart(
            matrices.before_and_after(record, facts.class_names),
            key=f"confusion-{model}",
            config={"displaylogo": False},
            alt=f"{words.model_name(model)}. {matrices.spoken(record)}",
        )
    elif cell.run is not None:
        st.caption("Not computed yet.")
        tables_evidence.compute(cell, "Compute", model)
    else:
        st.caption(cell.missing)
        st.code(cell.remedy, language=None, wrap_lines=True)


def _cells(table: ResultTable, dataset: str) -> list[Cell]:
    column = table.column(dataset, AFTER)
    return [table.cells[model, column.key] for model in table.rows]


def _running(protocol: str, dataset: str) -> list[cache.JobView]:
    cells = _cells(cache.table("table_1", protocol), dataset)
    return tables_view.running({spec.digest for cell in cells for spec in cell.sweeps})
