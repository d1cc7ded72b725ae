"""NCP-ACL on the screen: a sample pushed to a neighbouring cluster, how many clusters, the proof, tables and claims."""

from dataclasses import dataclass
from functools import partial

import streamlit as st

from core.figures import latent as claim_words
from core.figures import neighbours as figures
from core.figures import steps, words
from core.jobs import JobView
from core.neighbours.pursuit_records import PursuitReport, PursuitSpec
from core.neighbours.tables import PARTS, Line, claims
from core.records import AttackSpec, CheckpointCard, SweepSpec
from pages.ui import address, cache, components, downloads, errors, jobs_bar, links, pickers, steps_view

OFFERED = 20  # samples to choose from
RANKS = (2, 3, 4, 5)
STEPS, EPSILON = 10, 0.1
LAST = "_pursued"
INTRODUCTION = (
    "**Push a picture toward the cluster next to its own.** An encoder trained without labels puts pictures into "
    "clusters. A change of the pixels that moves a picture toward a *neighbouring* cluster often changes what a "
    "classifier on top of the encoder says. NCP-ACL trains encoders to withstand exactly that."
)
NOTHING_YET = (
    "There is no representation to attack yet. Make one, about a minute on a laptop, and reload this page:\n\n"
    "```\npython -m core train digits/simclr\npython -m core train digits/ncp_acl\n```"
)


@dataclass(frozen=True)
class Chosen:
    """What is shown: a checkpoint, the rows of its data set, and a pursuit."""

    card: CheckpointCard
    lines: tuple[Line, ...]
    spec: PursuitSpec
    view_names: tuple[str, ...]


def introduce() -> None:
    """What this page is about."""
    st.info(INTRODUCTION, icon=":material/hub:")


def pick() -> Chosen | None:
    """Pick the model, the push and the sample; None where there is no representation, which is then said."""
    lab = cache.lab()
    cards = lab.neighbours.cards()
    if not cards:
        st.info(NOTHING_YET, icon=":material/model_training:")
        return None
    titles = {name: lab.dataset_facts(name).title for name in dict.fromkeys(card.dataset for card in cards)}
    with st.container(horizontal=True, vertical_alignment="bottom"):
        dataset = pickers.pick_one("Data set", "nb_data", titles, "the data set", 150)
        models = {card.name: words.model_name(card.name) for card in cards if card.dataset == dataset}
        model = pickers.pick_one("Model", "nb_model", models, "the model", 150)
        strategy = _pick_strategy()
        rank = pickers.pick_one("Neighbour", "nb_rank", {n: f"n = {n}" for n in RANKS}, "the neighbour", 100)
        epsilon = _pick_epsilon()
        n_steps = pickers.pick_number("Steps", "steps", 1, pickers.STEPS, STEPS, "Iterations of PGD.")
        seed = pickers.pick_number("Seed", "seed", 0, pickers.SEEDS, 0, "Chooses the samples, and the random start.")
    card = next(card for card in cards if (card.dataset, card.name) == (dataset, model))
    facts = lab.dataset_facts(dataset)
    attack = AttackSpec(
        dataset=dataset,
        model=model,
        attack="noise",
        epsilon=epsilon,
        samples=min(OFFERED, facts.samples // 2),
        seed=seed,
    )
    samples = steps_view.pick_samples(SweepSpec(attack=attack, points=2), facts.samples)[:1]
    spec = PursuitSpec(
        dataset=dataset,
        model=model,
        samples=samples,
        epsilon=epsilon,
        steps=n_steps,
        strategy=strategy,
        rank=rank,
        seed=seed,
    )
    st.caption(f"{words.model_name(model)}: pushed {figures.STRATEGY_NOTES[strategy]}. {facts.sentence}")
    return Chosen(card, lab.neighbours.lines(dataset), spec, tuple(facts.view_names))


def _pick_strategy() -> str:
    options = list(figures.STRATEGIES)
    address.check_options("nb_push", options, figures.STRATEGIES.__getitem__, "the push")
    picked = st.segmented_control(
        "Push",
        options,
        format_func=figures.STRATEGIES.__getitem__,
        default=options[0],
        required=True,
        key="nb_push",
        bind="query-params",
        help="  \n".join(f"**{figures.STRATEGIES[name]}**: {figures.STRATEGY_NOTES[name]}" for name in options),
    )
    return picked if picked in options else options[0]


def _pick_epsilon() -> float:
    address.check_number("nb_eps", pickers.LOWEST, pickers.HIGHEST, "ε")
    value = st.number_input(
        "ε",
        pickers.LOWEST,
        pickers.HIGHEST,
        EPSILON,
        step=0.05,
        format="%.2f",
        key="nb_eps",
        bind="query-params",
        width=120,
        help="The largest change of any pixel, on the scale 0 to 1. These models are trained with 0.1.",
    )
    return min(max(float(value), pickers.LOWEST), pickers.HIGHEST)


def show(chosen: Chosen) -> None:
    """The pursuit, which starts by itself, and everything below it."""
    spec = chosen.spec
    address.show_notices(spec.digest)
    job = _job(spec)
    jobs_bar.watch(partial(_pursuit, chosen), lambda: [cache.jobs().get(spec.digest)])
    report = job.latest if job.state == "done" else None
    if report is not None:
        _take_home(report, chosen)
    _clusters(chosen.lines, report)
    _proof(chosen.lines)
    _tables(chosen.lines)
    _judged(chosen.lines)
    links.see(
        "attack",
        f"Attack {words.model_name(spec.model)} along ε",
        key="neighbours-attack",
        data=spec.dataset,
        model=spec.model,
        attack="pgd",
        goal="margin",
    )


def _job(spec: PursuitSpec) -> JobView:
    """The pursuit's job, begun unless it is there; the one that it takes the place of is given up."""
    is_new = jobs_bar.turn_to(spec, LAST)
    job = cache.jobs().get(spec.digest)
    begins = job is None or (is_new and job.state == "cancelled")  # a click on Cancel ends it, another sample does not
    return cache.ask_for_pursuit(spec, jobs_bar.owner()) if begins else job


def _pursuit(chosen: Chosen) -> None:
    spec = chosen.spec
    job = cache.jobs().get(spec.digest)
    if job is None:
        st.rerun()
    _status(spec, job)
    report: PursuitReport | None = job.latest
    if report is not None:
        st.markdown(figures.crossing(report))
        st.plotly_chart(
            figures.representation_map(report),
            key="nb-map",
            alt="Map of the representation: samples by cluster, centroids, and the way of the chosen sample",
        )
        start = steps_view.start_iteration(spec.steps)
        components.steps(cache.pursuit_buffer(report, chosen.view_names, start), steps_view.remember_iteration)


def _status(spec: PursuitSpec, job: JobView) -> None:
    """One line, with the button that gives up or goes on; failures take the room they need."""
    if job.state == "failed":
        errors.say(job.error)
    with st.container(horizontal=True, vertical_alignment="center"):
        if job.active:
            st.caption(f":material/hourglass_top: **{job.title}**: {jobs_bar.progress_text(job)}")
            cancel = partial(cache.jobs().cancel, spec.digest, owner=jobs_bar.owner())
            st.button("Cancel", icon=":material/stop:", key="nb-cancel", on_click=cancel)
        elif job.state == "done":
            st.caption(f"{spec.steps} steps in {job.seconds:.1f} s. Arrow keys step, space plays.")
        else:
            st.button("Push it again", icon=":material/refresh:", key="nb-again", on_click=_push_again, args=(spec,))


def _push_again(spec: PursuitSpec) -> None:
    with jobs_bar.if_there_is_room():
        cache.ask_for_pursuit(spec, jobs_bar.owner())


def _take_home(report: PursuitReport, chosen: Chosen) -> None:
    spec = report.spec
    name = f"{spec.dataset}-{spec.model}-neighbour{spec.rank}-sample{spec.samples[0]}"
    with st.container(horizontal=True):
        downloads.button("Steps", "csv", name, lambda: steps.trace_csv(report.trace, figures.protocol(report)))
        said = figures.protocol(report)
        downloads.button("Pictures", "gif", name, lambda: steps.animation(report.trace, chosen.view_names, said))


def _clusters(lines: tuple[Line, ...], report: PursuitReport | None) -> None:
    st.subheader("How many clusters", anchor=False)
    st.plotly_chart(
        figures.silhouette(lines, report),
        key="nb-silhouette",
        alt="Silhouette against the number of clusters; the chosen number has the largest mark",
    )
    st.caption(
        "The silhouette says how much nearer samples are to their own cluster than to the next (cosine distance; at "
        "most 2,000 training samples). NCP-ACL takes the K with the highest one, before its second stage; large marks."
    )


def _proof(lines: tuple[Line, ...]) -> None:
    st.subheader("Proof of concept: noise, or toward the neighbour", anchor=False)
    if not figures.proofs(lines):
        st.info(f"Not measured yet: `{_command(lines)} --seeds 3 --row simclr`", icon=":material/science:")
        return
    st.plotly_chart(
        figures.proof_of_concept(lines),
        key="nb-proof",
        alt="Share of samples turned to another class by random noise and by steps toward the neighbouring cluster",
    )
    st.caption(
        "SimCLR with a linear head, samples it classifies right; nothing was trained to withstand anything. Bars: "
        f"means over seeds; thin lines: the lowest and the highest seed. {figures.PRINTED_PROOF}"
    )
    st.dataframe(figures.proof_rows(lines), hide_index=True, width="stretch")


def _tables(lines: tuple[Line, ...]) -> None:
    st.subheader("NCP-ACL and what it is compared with", anchor=False)
    for part, title in PARTS.items():
        rows = figures.table_rows(lines, part)
        if rows:
            st.markdown(f"**{title}**")
            st.dataframe(rows, hide_index=True, width="stretch")
    st.caption(figures.table_protocol(lines))
    if any(line.results for line in lines):
        downloads.button("Rows, every seed", "csv", f"{lines[0].dataset}-neighbours", lambda: figures.csv_text(lines))
    with st.expander("The paper's Table 2, in percent"):
        st.dataframe(figures.printed_rows(), hide_index=True, width="stretch")


def _judged(lines: tuple[Line, ...]) -> None:
    st.subheader("What the paper says, and what we found", anchor=False)
    st.caption("With three seeds and a few hundred samples, differences of a few points are not a ranking.")
    for claim in claims(lines):
        st.markdown(claim_words.claim_text(claim))


def _command(lines: tuple[Line, ...]) -> str:
    return f"python -m core neighbours {lines[0].dataset}"
