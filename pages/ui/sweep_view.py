"""A sweep on the screen: where its job stands, the stage, the curves, the downloads."""

import streamlit as st

from core.figures import curves, words
from core.jobs import JobView
from core.records import MapRecord, SweepReport, SweepSpec
from pages.ui import address, cache, components, errors, jobs_bar
from pages.ui.pickers import Target

TICK = 0.4  # seconds between two looks at a running sweep


def show(spec: SweepSpec, chosen: Target, method: str) -> None:
    """Everything below the controls. Looks again by itself while the sweep or its map is being made."""
    busy = _busy(spec, method)
    st.fragment(_show, run_every=TICK if busy else None)(spec, chosen, method, busy)
    job = cache.jobs().get(spec.digest)
    if job is not None and not job.active and job.latest is not None and len(job.latest.frames) > 1:
        _after(job.latest, words.attacker_sentence(chosen.attacker))


def _busy(spec: SweepSpec, method: str) -> bool:
    job = cache.jobs().get(spec.digest)
    if job is not None and job.active:
        return True
    if method == "pca":
        return False
    map_job = cache.jobs().get(cache.map_key(_report(spec, job)))
    return map_job is None or map_job.active


def _report(spec: SweepSpec, job: JobView | None) -> SweepReport:
    """The newest the job has, else the clean samples."""
    return cache.clean(spec) if job is None or job.latest is None else job.latest


def _show(spec: SweepSpec, chosen: Target, method: str, was_busy: bool) -> None:
    with errors.shown("page"):
        job = cache.jobs().get(spec.digest)
        _status(spec, job)
        report = _report(spec, job)
        map_record = _map(report, method, running=job is not None and job.active)
        attacker = words.attacker_sentence(chosen.attacker)
        components.stage(cache.buffer(report, map_record, tuple(chosen.facts.view_names), address.position(), attacker))
        if was_busy and not _busy(spec, method):
            st.rerun()


def _status(spec: SweepSpec, job: JobView | None) -> None:
    if job is None:
        st.caption(f"Clean samples. **Run attack** adds {spec.points - 1} values of ε up to {spec.attack.epsilon:g}.")
    elif job.active:
        st.caption(f":material/hourglass_top: **{job.title}**: {jobs_bar.progress_text(job)}")
    elif job.state == "failed":
        st.error(job.error, icon=":material/error:")
    else:
        frames = 0 if job.latest is None else len(job.latest.frames) - 1
        how = "Finished" if job.state == "done" else "Cancelled"
        st.caption(f"{how} after {job.seconds:.1f} s: {frames} of {spec.points - 1} values of ε.")


def _map(report: SweepReport, method: str, *, running: bool) -> MapRecord:
    """The map asked for, or PCA while it is being made."""
    pca = cache.map_of(report, "pca")
    if method == "pca" or running:
        return pca
    record = cache.map_of(report, method)
    if record is None:
        job = cache.jobs().get(cache.map_key(report)) or cache.ask_for_map(report, jobs_bar.owner())
        if job.state == "failed":
            st.error(job.error, icon=":material/error:")
        elif job.active:
            st.caption(
                "UMAP is being fitted; the first of a model takes 10 to 40 seconds. The map shows PCA meanwhile."
            )
    return record or pca


def _after(report: SweepReport, attacker: str) -> None:
    """The curves of all scores, and the numbers to take home."""
    st.subheader("Scores over ε", anchor=False)
    measures = list(curves.MEASURES)
    pairs = measures[:2], measures[2:]
    for column, pair in zip(st.columns(2), pairs, strict=True):
        with column:
            st.plotly_chart(
                curves.sweep_curves(report, pair, legend=pair is pairs[0]),
                key=f"curves-{pair[0]}",
                config={"displaylogo": False},
                alt=f"{' and '.join(pair)} over ε. {words.verdict(report, report.frames[-1])}",
            )
    attack = report.spec.attack
    st.download_button(
        "Scores as CSV",
        words.sweep_csv(report, attacker),
        file_name=f"{attack.dataset}-{attack.model}-{attack.attack}-{attack.epsilon:g}-seed{attack.seed}.csv",
        mime="text/csv",
        icon=":material/download:",
        on_click="ignore",
        key="csv",
    )
