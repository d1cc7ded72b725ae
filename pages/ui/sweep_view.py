"""A sweep on the screen: where its job stands, the stage, the curves, the downloads."""

from functools import partial

import streamlit as st

from core.figures import report as html_report
from core.figures import sheet, sheet_files, words
from core.records import SweepReport, SweepSpec
from pages.ui import address, cache, components, downloads, errors, jobs_bar, links, pins
from pages.ui.pickers import Target

MOVING = 8  # samples of the animation
FITTING = "UMAP is being fitted, 10 to 40 seconds for a model's first; the map shows PCA meanwhile."


def show(spec: SweepSpec, chosen: Target, method: str) -> None:
    """Everything below the controls. Looks again by itself while the sweep or its map is being made."""
    job = cache.jobs().get(spec.digest)
    if method != "pca" and not (job is not None and job.active) and _map_job(spec) is None:
        cache.ask_for_map(_report(spec, job), jobs_bar.owner())
        st.rerun()  # so that the queue in the sidebar shows it
    jobs_bar.watch(partial(_show, spec, chosen, method), partial(_jobs, spec, method))
    if job is not None and not job.active and job.latest is not None and len(job.latest.frames) > 1:
        _after(job.latest, _opening(spec, chosen))


def _jobs(spec: SweepSpec, method: str) -> tuple[cache.JobView | None, ...]:
    return cache.jobs().get(spec.digest), None if method == "pca" else _map_job(spec)


def _report(spec: SweepSpec, job: cache.JobView | None) -> SweepReport:
    """The newest the job has, else the clean samples."""
    return cache.clean(spec) if job is None or job.latest is None else job.latest


def _map_job(spec: SweepSpec) -> cache.JobView | None:
    return cache.jobs().get(cache.map_key(_report(spec, cache.jobs().get(spec.digest))))


def _show(spec: SweepSpec, chosen: Target, method: str) -> None:
    job = cache.jobs().get(spec.digest)
    report = _report(spec, job)
    map_record = cache.map_of(report, method)
    _status(spec, job, waits_for_map=map_record is None)
    buffer = cache.buffer(report, map_record or cache.pca(report), _opening(spec, chosen))
    components.stage(buffer, lambda: _watch(spec), _place(spec))


def _opening(spec: SweepSpec, chosen: Target) -> cache.Opening:
    attacker = words.attacker_sentence(chosen.attacker)
    start = address.position(_place(spec))
    if start is None and chosen.attacker is not None:
        start = chosen.attacker.recipe.get("gamma")  # of the attacker's γ, the paper's
    return cache.Opening(tuple(chosen.facts.view_names), start, address.selection(), attacker)


def _place(spec: SweepSpec) -> str:
    """Where the address says how far the sweep is scrubbed."""
    return "gamma" if spec.attack.norm == "gamma" else "at"


def _watch(spec: SweepSpec) -> None:
    """Go to the page that shows one sample step by step, with the same attack where it has steps."""
    attack = spec.attack
    choices = {"sample": [components.watched()], "eps": attack.epsilon, "seed": attack.seed, "n": attack.samples}
    if attack.attack in words.GRADIENT_ATTACKS:
        choices["goal"] = attack.objective
    if attack.attack == "pgd":
        choices |= {"steps": attack.steps, "size": attack.relative_step_size}
    links.go("steps", None, choices)


def _status(spec: SweepSpec, job: cache.JobView | None, *, waits_for_map: bool) -> None:
    """One line, so that nothing below it jumps; failures take the room they need."""
    map_job = _map_job(spec) if waits_for_map else None
    for failed in (job, map_job):
        if failed is not None and failed.state == "failed":
            errors.say(failed.error)
    sign = words.symbol(spec.attack)
    fitting = f" {FITTING}" if map_job is not None and map_job.active else ""
    if job is None:
        more = f"**Run attack** adds {spec.points - 1} values of {sign} up to {spec.attack.epsilon:g}."
        st.caption(f"Clean samples. {fitting or more}")
    elif job.active:
        st.caption(f":material/hourglass_top: **{job.title}**: {jobs_bar.progress_text(job)}")
    elif job.state != "failed":
        frames = 0 if job.latest is None else len(job.latest.frames) - 1
        how = "Finished" if job.state == "done" else "Cancelled"
        st.caption(f"{how} after {job.seconds:.1f} s: {frames} of {spec.points - 1} values of {sign}.{fitting}")


def _after(report: SweepReport, opening: cache.Opening) -> None:
    """What can be taken home of a sweep, and how it compares with others."""
    attack = report.spec.attack
    name = f"{attack.dataset}-{attack.model}-{attack.attack}-{attack.epsilon:g}-seed{attack.seed}"
    with st.container(horizontal=True):
        if attack.norm != "gamma":
            pins.button(report.spec)
        downloads.button("Report", "html", name, lambda: _file(report, opening))
        downloads.button("Animation", "gif", name, lambda: _animation(report, opening))
        downloads.button("Scores", "csv", name, lambda: words.sweep_csv(report, opening.attacker))
    if attack.norm != "gamma":
        pins.show(report.spec)


def _file(report: SweepReport, opening: cache.Opening) -> str:
    """The stage as one HTML file that opens without a network."""
    attack = report.spec.attack
    return html_report.page(
        cache.buffer(report, cache.pca(report), opening),
        name="stage",
        script=components.script("stage"),
        style=components.style("stage"),
        title=f"{words.attack_name(attack.attack)} on {words.model_name(attack.model)}, {attack.dataset}",
        leads=(words.protocol(report.spec, report.subject.card_digest, opening.attacker),),
    )


def _animation(report: SweepReport, opening: cache.Opening) -> bytes:
    """The pictures that move first, over ε."""
    rows = sheet.chosen(report, "moved", MOVING)
    title = f"{words.attack_name(report.spec.attack.attack)} on {words.model_name(report.spec.attack.model)}"
    return sheet_files.animation(
        report,
        opening.view_names,
        samples=rows,
        title=title,
        shown=f"the {len(rows)} samples that move first",
        attacker=opening.attacker,
    )
