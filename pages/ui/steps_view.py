"""PGD step by step on the screen: what is followed, the iterations, the downloads."""

from dataclasses import replace
from functools import partial

import streamlit as st

from core.figures import steps, words
from core.jobs import JobView
from core.records import AttackSpec, SweepSpec
from core.trace_records import CLEAN, TraceReport, TraceSpec
from pages.ui import address, cache, components, downloads, errors, jobs_bar, links, pickers
from pages.ui.pickers import Target

SHOWN = 20  # samples to choose from
MOST = 4  # samples followed at once
STEPS = 20
ALONE = ("contrastive",)  # objectives that compare a batch, and say nothing of one sample
SAMPLE, OF, START, LAST, BEFORE = "sample", "_steps_of", "_steps_start", "_steps_last", "_steps_before"
FITTING = "UMAP is being fitted, 10 to 40 seconds for a model's first; the map shows PCA meanwhile."


def pick(chosen: Target) -> tuple[TraceSpec, str]:
    """Pick PGD's knobs and the samples to follow; also the map's method.

    Raises LabError for choices that do not go together.
    """
    with st.container(horizontal=True, vertical_alignment="bottom"):
        epsilon = pickers.pick_epsilon(chosen.facts)
        n_steps = pickers.pick_number("Steps", "steps", 1, pickers.STEPS, STEPS, "Iterations of PGD.")
        with st.container(width=240):
            objective = pickers.pick_objective("pgd", chosen.card.dataset, (chosen.card.name,), without=ALONE)
        seed = pickers.pick_number(
            "Seed", "seed", 0, pickers.SEEDS, 0, "Chooses the samples to choose from and PGD's random start."
        )
        method = pickers.pick_map()
        with st.popover("More", icon=":material/tune:"):
            views = pickers.pick_views(chosen.facts.view_names)
            size = pickers.pick_step_size(n_steps)
            st.caption(f"A step changes each pixel by {(size or pickers.REACH / n_steps) * epsilon:.3g}.")
    attack = AttackSpec(
        dataset=chosen.card.dataset,
        model=chosen.card.name,
        attack="pgd",
        epsilon=epsilon,
        samples=min(SHOWN, chosen.facts.samples // 2),
        seed=seed,
        views=views,
        steps=n_steps,
        objective=objective,
    )
    offered = SweepSpec(attack=replace(attack, attack="noise", views=None, steps=10, objective="both"), points=2)
    samples = pick_samples(offered, chosen.facts.samples)
    spec = TraceSpec(
        dataset=attack.dataset,
        model=attack.model,
        samples=samples,
        epsilon=epsilon,
        steps=n_steps,
        objective=objective,
        seed=seed,
        views=views,
        relative_step_size=size,
    )
    return spec, method


def pick_samples(offered: SweepSpec, whole: int) -> tuple[int, ...]:
    """Show the samples of a sweep in a strip; those that are followed: asked for, else the first of the strip.

    ``whole`` is how many samples the data set has.
    """
    asked = _asked(offered.attack.dataset, whole)
    samples = asked or (int(cache.clean(offered).subject.index[0]),)
    components.strip(cache.choice_buffer(offered, samples), _choose)
    return samples


def _asked(dataset: str, whole: int) -> tuple[int, ...]:
    """The samples that a link, the address or a click asks for; forgotten when the data set changes."""
    if SAMPLE not in st.session_state:
        st.session_state[SAMPLE] = _from_address(whole)
    asked = st.session_state[SAMPLE]
    samples = tuple(dict.fromkeys(asked if isinstance(asked, list | tuple) else [asked]))[:MOST]
    before, followed = st.session_state.get(OF, (dataset, ()))
    if before != dataset and followed == samples:
        st.session_state[SAMPLE] = samples = ()
    st.session_state[OF] = (dataset, samples)
    _put("sample", [str(sample) for sample in samples])
    return samples


def _from_address(whole: int) -> list[int]:
    asked = {text: address.whole(text) for text in address.arrived(SAMPLE)}
    found = {text: number for text, number in asked.items() if number is not None and number < whole}
    if len(found) < len(asked):
        wrong = next(text for text in asked if text not in found)
        address.notice(f"sample “{address.short(wrong)}”, which is not a whole number from 0 to {whole - 1}")
    return list(found.values())


def _put(key: str, texts: list[str]) -> None:
    """Make the address say ``texts`` for a key that belongs to no widget."""
    if st.query_params.get_all(key) != texts:
        if texts:
            st.query_params[key] = texts
        else:
            st.query_params.pop(key, None)


def _choose() -> None:
    st.session_state[SAMPLE] = components.picked()


def _forget() -> None:
    st.session_state[SAMPLE] = []


def remember_iteration() -> None:
    """Keep where the hand came to rest; call from the component's callback."""
    iteration = components.iteration()
    if iteration is not None:
        st.session_state[START] = iteration
        _put("t", [str(iteration)])


def start_iteration(n_steps: int) -> int | None:
    """The iteration to open at, None for where the sample crosses."""
    if START not in st.session_state:
        usable = address.check_number("t", CLEAN, pickers.STEPS, "the iteration", whole=True)
        st.session_state[START] = int(address.arrived("t")[-1]) if usable else None
    start: int | None = st.session_state[START]
    return None if start is None else min(start, n_steps)


def show(spec: TraceSpec, chosen: Target, method: str) -> None:
    """Everything below the controls. Starts by itself, and looks again while the trace or its map is being made."""
    job = _job(spec)
    if method != "pca" and job.state == "done" and cache.jobs().get(cache.map_key(job.latest)) is None:
        cache.ask_for_map(job.latest, jobs_bar.owner())
    start = start_iteration(spec.steps)
    jobs_bar.watch(partial(_show, spec, chosen, method, start), partial(_jobs, spec, method))
    if job.state == "done":
        _after(job.latest, spec, chosen)


def _job(spec: TraceSpec) -> JobView:
    """The trace's job, begun unless it is there; the one that it takes the place of is given up."""
    jobs_bar.turn_to(spec, LAST)
    job = cache.jobs().get(spec.digest)
    return _submit(spec) if job is None or job.state == "cancelled" else job


def _submit(spec: TraceSpec) -> JobView:
    return cache.ask_for_trace(spec, jobs_bar.owner(), f"Steps on {words.model_name(spec.model)}")


def _try_again(spec: TraceSpec) -> None:
    with jobs_bar.if_there_is_room():
        _submit(spec)


def _jobs(spec: TraceSpec, method: str) -> tuple[JobView | None, ...]:
    job = cache.jobs().get(spec.digest)
    has_map = method != "pca" and job is not None and not job.active and job.latest is not None
    return job, cache.jobs().get(cache.map_key(job.latest)) if has_map else None


def _show(spec: TraceSpec, chosen: Target, method: str, start: int | None) -> None:
    job = cache.jobs().get(spec.digest)
    if job is None:
        st.rerun()
    report = job.latest
    map_record = None if report is None else cache.map_of(report, method)
    _status(spec, job, fits_map=report is not None and map_record is None)
    buffer = _before(spec) if report is None and job.active else None
    if report is not None:
        names = tuple(chosen.facts.view_names)
        buffer = cache.trace_buffer(report, map_record or cache.pca(report), names, start)
        st.session_state[BEFORE] = (spec.dataset, spec.model), buffer
    if buffer is not None:
        components.steps(buffer, remember_iteration)
    elif job.active:
        _placeholder(spec)


def _before(spec: TraceSpec) -> bytes | None:
    """What was seen of the same model before: it stays until the first iteration of the new trace is there."""
    target, buffer = st.session_state.get(BEFORE, (None, None))
    return buffer if target == (spec.dataset, spec.model) else None


def _status(spec: TraceSpec, job: JobView, *, fits_map: bool) -> None:
    """One line, so that nothing below it jumps; failures take the room they need."""
    if job.state == "failed":
        errors.say(job.error)
        with st.container(horizontal=True):
            again = st.button("Try again", icon=":material/refresh:", key="again", on_click=_try_again, args=(spec,))
            again |= st.button("Follow another sample", icon=":material/footprint:", key="another", on_click=_forget)
        if again:
            st.rerun()
    elif job.active:
        st.caption(f":material/hourglass_top: **{job.title}**: {jobs_bar.progress_text(job)}")
    else:
        steps_of = f"{spec.steps} steps of PGD on {len(spec.samples)} sample{'s'[: len(spec.samples) != 1]}"
        keys = "Arrow keys step, space plays."
        st.caption(f"{steps_of} in {job.seconds:.1f} s. {FITTING if fits_map else keys}")


def _placeholder(spec: TraceSpec) -> None:
    with st.container(border=True, height=420, horizontal_alignment="center", vertical_alignment="center"):
        which = ", ".join(str(sample) for sample in spec.samples)
        st.caption(f"Following sample {which} through {spec.steps} steps …", text_alignment="center")


def _after(report: TraceReport, spec: TraceSpec, chosen: Target) -> None:
    """The numbers to take home, and the way to the same attack on many samples."""
    name = f"{spec.dataset}-{spec.model}-pgd-{spec.epsilon:g}-sample{'-'.join(map(str, spec.samples))}"
    with st.container(horizontal=True):
        downloads.button("Steps", "csv", name, lambda: steps.trace_csv(report))
        downloads.button("Pictures", "gif", name, lambda: steps.animation(report, chosen.facts.view_names))
        links.see(
            "attack",
            "The same attack on many samples, along ε",
            key="steps-attack",
            attack="pgd",
            eps=spec.epsilon,
            steps=spec.steps,
            size=spec.relative_step_size,
            goal=spec.objective,
            seed=spec.seed,
            views=[
                n
                for v, n in enumerate(chosen.facts.view_names)
                if v in (spec.views or range(len(chosen.facts.view_names)))
            ],
        )
