"""The runs: where each stands, its losses as they come, several beside each other."""

from typing import Any

import streamlit as st

from core.errors import LabError
from core.figures import training, training_words
from core.training_records import RunRecord
from pages.ui import address, cache, errors, gate, links, train_form

TICK = 1.5  # seconds between two looks at running trainings
FEW = 4  # runs shown at first
MOST_COMPARED = 8
COLORS: dict[str, Any] = {
    "waiting": "gray",
    "starting": "blue",
    "running": "blue",
    "stopping": "orange",
    "finished": "green",
    "stopped": "gray",
    "failed": "red",
}
ICONS = {
    "waiting": ":material/hourglass_empty:",
    "starting": ":material/hourglass_top:",
    "running": ":material/model_training:",
    "stopping": ":material/stop:",
    "finished": ":material/check:",
    "stopped": ":material/pause:",
    "failed": ":material/error:",
}
EMPTY = (
    "No training has been started here yet. Choose above what to train, look at what it will cost, and start it; "
    "its losses are drawn here as they come. The smallest takes a minute or two: 200 samples, 3 epochs, 1 seed."
)
HEIGHTS = "The losses of different models are sums of different terms: compare their course, not their height."


def show() -> None:
    """Every run, and the losses of those that are picked. Looks again by itself while anything waits or runs."""
    busy = cache.trainings().busy()
    problem = st.session_state.pop(train_form.PROBLEM, "")
    st.fragment(_show, run_every=TICK if busy else None)(busy, problem)


def _show(was_busy: bool, problem: str) -> None:
    with errors.shown("list of runs"):
        if train_form.PROBLEM in st.session_state or cache.trainings().busy() != was_busy:
            st.rerun()  # before a button is drawn that the next run draws anew
        runs = cache.trainings().runs()
        st.subheader("Runs", anchor=False)
        if problem:
            errors.say(problem)
        if not runs:
            st.info(EMPTY, icon=":material/model_training:")
            return
        _rows(runs)
        _details(runs)


def _rows(runs: tuple[RunRecord, ...]) -> None:
    with st.container(gap="small"):
        shown = runs if st.session_state.get("tr_all") else runs[:FEW]
        for run in shown:
            with st.container(border=True, gap="xsmall", key=f"tr_run_{run.id}"), errors.shown("run"):
                _row(run)
    if len(runs) > FEW:
        st.toggle(f"Show all {len(runs)} runs", key="tr_all")


def _row(run: RunRecord) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.markdown(f"**{training_words.what(run.spec, _title(run))}**", width="content")
            st.badge(run.state, icon=ICONS[run.state], color=COLORS[run.state])
        _actions(run)
    settings = f"{training_words.settings(run.spec)} · run {run.id.rpartition('-')[2]}"
    if run.active:
        st.progress(min(run.progress, 1.0), text=training_words.standing(run))
        st.caption(settings)
    elif run.state == "failed":
        errors.say(run.error)
        st.caption(settings)
    elif run.state == "stopped":
        st.caption(f"**{run.progress:.0%} done** · {training_words.standing(run)} · {settings}")
    else:
        st.caption(f"{training_words.result(run)} · {settings}")


def _actions(run: RunRecord) -> None:
    """The buttons of a run; those that change something only where training is allowed."""
    with st.container(horizontal=True, width="content", gap="small", vertical_alignment="center"):
        _use(run)
        shown = run.id in st.session_state.get("tr_show", [])
        if run.logs or run.trials:
            st.button(
                "Hide losses" if shown else "Losses",
                icon=":material/visibility_off:" if shown else ":material/show_chart:",
                type="tertiary",
                key=f"tr_losses_{run.id}",
                on_click=_toggle_shown,
                args=(run.id,),
            )
        if not gate.is_open():
            return
        if run.active:
            st.button(
                "Stop",
                icon=":material/stop:",
                key=f"tr_stop_{run.id}",
                on_click=_attempt,
                args=("stop", run),
                disabled=run.state == "stopping",
                help="It can go on later; at most some seconds and the unfinished epoch are lost.",
            )
            return
        if run.state != "finished":
            st.button(
                "Resume",
                icon=":material/play_arrow:",
                key=f"tr_resume_{run.id}",
                on_click=_attempt,
                args=("go_on", run),
            )
        _remove(run)


def _use(run: RunRecord) -> None:
    """The way to the Attack page with the new model."""
    card = run.card
    if card is None:
        return
    target = card.name if card.kind == "model" else run.spec.model
    if cache.lab().has_model(card.dataset, target):
        if card.kind == "latent":
            links.see("latent", "See what it does", key=f"tr_{run.id}", lat_data=card.dataset)
            return
        label = "Attack this model" if card.kind == "model" else "Attack with it"
        choices = {"data": card.dataset, "model": target} | ({} if card.kind == "model" else {"attack": "gan"})
        links.see("attack", label, key=f"tr_{run.id}", **choices)


def _remove(run: RunRecord) -> None:
    with st.popover("Remove", icon=":material/delete:", type="tertiary"):
        kept = " The checkpoint it became stays." if run.state == "finished" else " It cannot go on afterwards."
        st.markdown(f"Delete the losses and weights in the folder of this run, {training_words.size(run.bytes)}?{kept}")
        st.button("Remove this run", type="primary", key=f"tr_remove_{run.id}", on_click=_attempt, args=("remove", run))


def _attempt(what: str, run: RunRecord) -> None:
    """Do what a button says; a refusal is shown above the runs."""
    try:
        gate.check()
        if what == "stop":
            cache.trainings().stop(run.id)
        elif what == "remove":
            cache.trainings().remove(run.id)
        else:
            _go_on(run)
    except LabError as error:
        st.session_state[train_form.PROBLEM] = str(error)


def _go_on(run: RunRecord) -> None:
    plan = cache.lab().training_plan(run.spec, replace_other=run.replace)
    if plan.run != run.id:
        raise LabError("This run was started with another recipe or target than today's. Start it anew above.")
    cache.trainings().submit(plan)


def _toggle_shown(run: str) -> None:
    shown = list(st.session_state.get("tr_show", []))
    st.session_state["tr_show"] = [other for other in shown if other != run] if run in shown else [*shown, run]


def _title(run: RunRecord) -> str:
    try:
        return str(cache.lab().dataset_facts(run.spec.dataset).title)
    except LabError:
        return run.spec.dataset


def _details(runs: tuple[RunRecord, ...]) -> None:
    """Losses: one run term by term and seed by seed, several on one axis with their scores."""
    st.subheader("Losses", anchor=False)
    by_id = {run.id: run for run in runs}
    newest = next((run for run in runs if run.logs or run.trials), runs[0])
    labels = {name: training_words.label(run, _title(run)) for name, run in by_id.items()}
    address.check_options("tr_show", list(labels), labels.__getitem__, "the run")
    known = [name for name in st.session_state.get("tr_show", []) if name in by_id]
    if known != st.session_state.get("tr_show", known):
        st.session_state["tr_show"] = known  # a run was removed
    picked = st.multiselect(
        "Runs to show; two or more are compared",
        list(labels),
        format_func=labels.__getitem__,
        key="tr_show",
        bind="query-params",
        max_selections=MOST_COMPARED,
        placeholder=f"the newest: {labels[newest.id]}",
    )
    chosen = [by_id[name] for name in picked] or [newest]
    begun = [run for run in chosen if run.logs or run.trials]
    if not begun:
        st.caption("No epoch is finished yet.")
    elif len(begun) == 1:
        _one(begun[0])
    else:
        _several([(labels[run.id], run) for run in begun])


def _one(run: RunRecord) -> None:
    """A run's terms, and its scores once it has them."""
    st.plotly_chart(
        cache.term_curves(run),
        key="tr_terms",
        config={"displaylogo": False},
        alt=f"Loss terms of {training_words.what(run.spec, _title(run))} over epochs. {training_words.standing(run)}",
    )
    st.caption(training_words.reading(run, training.phase_ends(run.logs or run.trials)))
    if run.card is None:
        return
    with st.container(horizontal=True):
        for name, value, note in training_words.scores(run.card):
            st.metric(name, value, help=note, width=150)
    st.caption(training_words.protocol(run.card))
    if run.card.runs:
        with st.expander(f"All {len(run.card.runs)} seeds"):
            st.dataframe(run.card.runs, hide_index=True, column_config=_columns(), width="content")


def _several(runs: list[tuple[str, RunRecord]]) -> None:
    """One loss of several runs on one axis, and their scores in a table."""
    terms = list(dict.fromkeys(term for _, run in runs for term in training.terms(run)))
    picked = st.selectbox("Loss term", terms, key="tr_term", width=240)
    term = picked if picked in terms else terms[0]
    st.plotly_chart(
        training.compared_losses(runs, term),
        key="tr_compared",
        config={"displaylogo": False},
        alt=f"The {term} of {len(runs)} runs over epochs.",
    )
    st.caption(HEIGHTS if term == training.TOTAL else f"Each run by the seed that was kept, or is trained now: {term}.")
    rows = [{"run": label} | training_words.row(run) for label, run in runs]
    st.dataframe(rows, hide_index=True, column_config=_columns())


def _columns() -> dict[str, Any]:
    """Three decimals for scores and losses."""
    scores = ("loss", "accuracy", "nmi", "ari", "ACC", "NMI", "ARI", "ACC attacked", "ACC noise")
    return {name: st.column_config.NumberColumn(format="%.3f") for name in scores}
