"""Pinned runs: kept in the address, compared below the stage. The numbers come from what was run before."""

import streamlit as st

from core.errors import LabError
from core.figures import curves, pins
from core.records import SweepScores, SweepSpec
from pages.ui import address, cache, errors, jobs_bar

_PINS = "_pins"


def pinned() -> list[SweepSpec]:
    """The pinned runs, in the order in which they were pinned; at first those of the address."""
    if _PINS not in st.session_state:
        found = {text: pins.from_text(text) for text in address.arrived("pin")[: pins.MOST]}
        for text in (text for text, spec in found.items() if spec is None):
            address.notice(f"the pinned run “{address.short(text)}”, which is not a run")
        st.session_state[_PINS] = [spec for spec in found.values() if spec is not None]
    return list(st.session_state[_PINS])


def button(spec: SweepSpec) -> None:
    """Pin the present run, or take it off."""
    on = spec in pinned()
    full = len(pinned()) >= pins.MOST and not on
    st.button(
        "Unpin this run" if on else "Pin this run",
        icon=":material/keep_off:" if on else ":material/keep:",
        key="pin-run",
        disabled=full,
        help=f"At most {pins.MOST} runs can be pinned." if full else "Keeps this run to compare others with it.",
        on_click=_toggle,
        args=(spec,),
    )


def _toggle(spec: SweepSpec) -> None:
    others = [other for other in pinned() if other != spec]
    added = [] if spec in pinned() else [spec]
    st.session_state[_PINS] = [*others, *added][: pins.MOST]  # a button that is off can still be pressed, by a program
    st.query_params["pin"] = [pins.as_text(other) for other in st.session_state[_PINS]]


def show(spec: SweepSpec) -> None:
    """The pinned runs beside the present one, once there is something to compare."""
    specs = pinned()
    if not specs:
        return
    st.subheader("Compared with pinned runs", anchor=False)
    runs: dict[str, SweepScores] = {}
    for other in dict.fromkeys([*specs, spec]):
        try:
            scores = cache.scores(other)
        except LabError as error:  # a link may name a model that is not here
            st.caption(f":material/error: {errors.plain(str(error))}")
            continue
        if scores is not None:
            runs[pins.name(other)] = scores
        elif other != spec:
            _offer(other)
    if runs:
        _compare(runs)
    with st.container(horizontal=True):
        for i, other in enumerate(specs):
            label = f"Unpin {i + 1}: {pins.name(other)}"
            st.button(
                label, key=f"unpin-{i}", icon=":material/close:", type="tertiary", on_click=_toggle, args=(other,)
            )


def _compare(runs: dict[str, SweepScores]) -> None:
    measure = st.segmented_control(
        "Score", list(curves.MEASURES), default="ACC", required=True, key="pin-score", label_visibility="collapsed"
    )
    figure = curves.compare(runs, measure or "ACC")
    st.plotly_chart(
        figure,
        key="pin-curves",
        config={"displaylogo": False, "toImageButtonOptions": {"format": "svg", "filename": "compared-runs"}},
        alt=f"{measure} over ε of {len(runs)} runs: {'; '.join(runs)}.",
    )
    st.dataframe(pins.rows(runs), hide_index=True, key="pin-table", alt="Numbers of the compared runs.")


def _offer(spec: SweepSpec) -> None:
    job = cache.jobs().get(spec.digest)
    if job is not None and job.active:
        st.caption(f":material/hourglass_top: {pins.name(spec)}: {jobs_bar.progress_text(job)}")
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(f"{pins.name(spec)}: not run on this machine yet.", width="content")
        st.button("Run it", key=f"pin-{spec.digest[:8]}", on_click=jobs_bar.submit, args=(spec,), type="tertiary")
