"""One's own samples on the screen: the attack on them, where it stands, what the model says."""

import weakref
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from uuid import uuid4

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.figures import probe, words
from core.own.records import ProbeReport
from core.records import AttackSpec, SweepSpec
from pages.ui import cache, components, errors, jobs_bar, own_input, pickers
from pages.ui.own_input import Work
from pages.ui.pickers import Target

PAD_WIDTH = 320
NARROW = "<style>@media (max-width: 1200px) { .st-key-own-places { flex-direction: column; } }</style>"
KEEPING = "Only this session sees what you bring. It is held in memory, kept in no file, and gone with the session."
HONESTY = (
    "What you bring is not from the data set's distribution, so expect less than the model's scores. A cluster is not "
    "a class: it is called after the label that most of its held-out samples have, matched one to one."
)


def places() -> tuple[DeltaGenerator, DeltaGenerator, DeltaGenerator]:
    """Where samples are brought, where the attack is picked, where the answer stands; side by side if there is room."""
    with st.container(horizontal=True, gap="medium", key="own-places"):
        bringing, rest = st.container(width=PAD_WIDTH), st.container(width="stretch")
    st.html(NARROW)
    with rest:
        return bringing, st.container(), st.container()


def pick(chosen: Target) -> tuple[AttackSpec, DeltaGenerator]:
    """Pick the attack and its budget, for any number of samples; also a place for the button that runs it."""
    card = chosen.card
    attack = pickers.pick_attack(cache.lab().attacks(card.dataset, card.name))
    with st.container(horizontal=True, vertical_alignment="bottom"):
        epsilon = pickers.pick_epsilon(chosen.facts)
        seed = pickers.pick_number("Seed", "seed", 0, pickers.SEEDS, 0, "Drives the attack and the noise of view 2.")
        details = pickers.pick_details(chosen, attack)
        run_slot = st.container(width="content")
    spec = AttackSpec(
        dataset=card.dataset, model=card.name, attack=attack, epsilon=epsilon, samples=1, seed=seed, **details
    )
    return spec, run_slot


def sweep_of(attack: AttackSpec) -> SweepSpec | None:
    """The attack along ε on all that was brought; None while there is nothing."""
    work = own_input.current()
    return None if work is None else SweepSpec(attack=replace(attack, samples=len(work.samples.names)))


def run_button(spec: SweepSpec | None) -> None:
    """Run, or Cancel while the attack runs; says what is missing."""
    work = own_input.current()
    job = None if work is None else _job(work, spec)
    done = "This attack has been run." if job is not None and job.state == "done" else ""
    jobs_bar.run_or_cancel(
        "Run attack",
        run=partial(_submit, spec),
        cancel=_cancel if job is not None and job.active else None,
        refusal="Bring a sample first." if work is None else done,
    )


def show(spec: SweepSpec | None, chosen: Target) -> None:
    """What the model says of what was brought; before that, what its clusters look like."""
    jobs_bar.watch(partial(_show, spec, chosen), partial(_jobs, spec))
    st.caption(f"{HONESTY} {KEEPING}")


def _jobs(spec: SweepSpec | None) -> tuple[cache.JobView | None, ...]:
    work = own_input.current()
    return () if work is None else (_job(work, spec),)


def _job(work: Work, spec: SweepSpec | None) -> cache.JobView | None:
    return cache.jobs().get(work.job) if work.job and work.spec == spec else None


def _submit(spec: SweepSpec | None) -> None:
    """Queue the attack. The queue holds the samples only while it works on them, the results never."""
    work = own_input.current()
    if work is None or spec is None:
        return
    _cancel()
    the_lab, box, key = cache.lab(), weakref.ref(work), f"own-{uuid4().hex}"

    def start() -> Iterator[float]:
        held = box()
        reports = iter(()) if held is None else the_lab.probe(spec, held.samples.views)
        del held
        for report in reports:
            if not _deliver(box, key, report):
                return
            yield report.progress

    work.job, work.spec, work.report = key, spec, None
    title = f"{words.attack_name(spec.attack.attack)} on {words.model_name(spec.attack.model)}, own samples"
    with jobs_bar.if_there_is_room():
        cache.jobs().submit(key, start, owner=jobs_bar.owner(), title=title, progress=lambda share: share)


def _deliver(box: "weakref.ref[Work]", key: str, report: ProbeReport) -> bool:
    """Hand a report to the session; False where the session is gone or works on something else."""
    work = box()
    if work is None or work.job != key:
        return False
    work.report = report
    return True


def _cancel() -> None:
    work = own_input.current()
    if work is not None and work.job:
        cache.jobs().cancel(work.job, owner=jobs_bar.owner())


def _show(spec: SweepSpec | None, chosen: Target) -> None:
    work = own_input.current()
    names = tuple(chosen.facts.view_names)
    if work is None or spec is None:
        reference = cache.lab().reference(chosen.card.dataset, chosen.card.name)
        components.probe(probe.pack_clusters(reference, names))
        return
    job = _job(work, spec)
    report = (work.report if job is not None else None) or _clean(work, spec)
    _status(job, report)
    components.probe(_buffer(work, report, chosen))


def _clean(work: Work, spec: SweepSpec) -> ProbeReport:
    """What the model says without an attack."""
    of = (spec.attack.dataset, spec.attack.model)
    if work.clean is None or work.clean[0] != of:
        with st.spinner("Clustering …"):
            reports = cache.lab().probe(spec, work.samples.views)
            work.clean = (of, next(reports))
    return replace(work.clean[1], spec=spec)


def _buffer(work: Work, report: ProbeReport, chosen: Target) -> bytes:
    key = (report.spec, report.card_digest, len(report.frames))
    if work.buffer is None or work.buffer[0] != key:
        packed = probe.pack(
            report,
            cache.lab().map(report),
            view_names=chosen.facts.view_names,
            names=work.samples.names,
            identity=f"{work.identity}-{report.card_digest[:8]}",
            attacker=words.attacker_sentence(chosen.attacker),
        )
        work.buffer = (key, packed)
    return work.buffer[1]


def _status(job: cache.JobView | None, report: ProbeReport) -> None:
    """One line, so that nothing below it jumps; failures take the room they need."""
    points = report.spec.points - 1
    if job is None:
        end = words.epsilon_text(report.spec.attack.epsilon)
        st.caption(f"Not attacked yet. **Run attack** adds {points} values of ε up to {end}.")
    elif job.state == "failed":
        errors.say(job.error)
    elif job.active:
        st.caption(f":material/hourglass_top: **{job.title}**: {jobs_bar.progress_text(job)}")
    else:
        how = "Finished" if job.state == "done" else "Cancelled"
        st.caption(f"{how} after {job.seconds:.1f} s: {len(report.frames) - 1} of {points} values of ε.")
