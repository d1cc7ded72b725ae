"""ALRDC on the screen: what is attacked, the stage along γ, the paper's Figure 1, the tables, the claims."""

from base64 import b64encode
from dataclasses import dataclass, replace

import streamlit as st

from core.figures import latent as figures
from core.figures import words
from core.latent.tables import NAMES, STEPS, Line, claims
from core.records import SweepSpec
from pages.ui import address, cache, downloads, jobs_bar, links, pickers, sweep_view
from pages.ui.pickers import Target

VIEWS = ("original", "decoded")
NO_PIXEL = (
    "**No pixel is changed here.** The attack moves the latent z, which the model itself computes from a picture, and "
    "asks for another cluster while the decoded picture stays as it was. It says nothing of attacks on pixels."
)
NO_PICTURES = (
    "These samples are vectors: there is no picture to decode, and nothing to be seen of a move. The numbers stand "
    "below; what is missing of them is measured by `python -m core latent {}`."
)
NOTHING_YET = (
    "There is no model with a latent to attack yet. Make one, about four minutes on a laptop, and reload this page:\n\n"
    "```\npython -m core train digits/conv_ae\npython -m core train digits/conv_ae.latent\n```"
)


@dataclass(frozen=True)
class Chosen:
    """What is shown: a row of the tables, all rows of its data set, and the sweep with its map."""

    line: Line
    lines: tuple[Line, ...]
    spec: SweepSpec
    target: Target
    method: str


def introduce() -> None:
    """What this page is about, and what it is not."""
    st.info(NO_PIXEL, icon=":material/visibility_off:")


def pick() -> Chosen | None:
    """Pick data set, method, step and samples; None where there is nothing to attack, which is then said."""
    lab = cache.lab()
    datasets = lab.latents.datasets()
    if not datasets:
        st.info(NOTHING_YET, icon=":material/model_training:")
        return None
    titles = {name: lab.dataset_facts(name).title for name in datasets}
    with st.container(horizontal=True, vertical_alignment="bottom"):
        dataset = pickers.pick_one("Data set", "lat_data", titles, "the data set", 150)
        lines = tuple(lab.latents.lines(dataset))
        methods = {f"{line.base}.{line.latent}": figures.method(line) for line in lines if line.step == "attack"}
        method = pickers.pick_one("Method", "lat_method", methods, "the method", 150)
        step = _pick_step()
        samples = pickers.pick_samples(lab.dataset_facts(dataset))
        seed = pickers.pick_number("Seed", "seed", 0, pickers.SEEDS, 0, "Chooses the samples.")
        map_method = pickers.pick_map()
    if lab.dataset_facts(dataset).is_vectors:
        st.info(NO_PICTURES.format(dataset), icon=":material/image_not_supported:")
        _tables(lines)
        return None
    line = next(line for line in lines if (f"{line.base}.{line.latent}", line.step) == (method, step))
    if line.spec is None:
        st.info(
            f"{figures.STEPS[step]} of {NAMES[line.base]} has not been made: `{line.remedy}`",
            icon=":material/model_training:",
        )
        _tables(lines)
        return None
    spec = replace(line.spec, attack=replace(line.spec.attack, samples=samples, seed=seed))
    card = next(card for card in cache.cards() if (card.dataset, card.name) == (dataset, line.model))
    facts = replace(lab.dataset_facts(dataset), view_names=VIEWS)
    attacker = lab.latents.attacker(dataset, line.model, line.attack)
    st.caption(f"{words.model_name(line.model)}: {figures.STEP_NOTES[step]}. {facts.sentence}")
    return Chosen(line, lines, spec, Target(card, facts, attacker), map_method)


def _pick_step() -> str:
    address.check_options("lat_step", STEPS, figures.STEPS.__getitem__, "the step")
    picked = st.segmented_control(
        "Step",
        STEPS,
        format_func=figures.STEPS.__getitem__,
        default=STEPS[0],
        required=True,
        key="lat_step",
        bind="query-params",
        help="  \n".join(f"**{figures.STEPS[step]}**: {note}" for step, note in figures.STEP_NOTES.items()),
    )
    return picked if picked in STEPS else STEPS[0]


def show(chosen: Chosen) -> None:
    """The stage, which runs by itself, and everything below it."""
    spec = chosen.spec
    address.show_notices(spec.digest)
    if cache.jobs().get(spec.digest) is None:  # a second of work: it waits for no button
        jobs_bar.submit(spec)
    sweep_view.show(spec, chosen.target, chosen.method)
    job = cache.jobs().get(spec.digest)
    if job is not None and job.state == "done":
        _figure_1(spec, job)
    _tables(chosen.lines)
    links.see(
        "attack",
        f"Attack the pixels of {words.model_name(chosen.line.model)} instead",
        key="latent-attack",
        data=chosen.line.dataset,
        model=chosen.line.model,
        attack="pgd",
    )


def _figure_1(spec: SweepSpec, job: cache.JobView) -> None:
    st.subheader("Figure 1", anchor=False)
    picture = cache.latent_figure(spec, job.latest)
    inline = f"data:image/png;base64,{b64encode(picture).decode()}"  # a file beside the page is gone at the next run
    st.image(inline, width="content", alt="Originals, decoded pictures, and decoded pictures for growing γ")
    st.caption(
        "Samples that move first: the original, decoded from the clean latent, then from the latent moved for each γ. "
        "Below each its cluster; red where it is another one than the clean."
    )
    name = f"{spec.attack.dataset}-{spec.attack.model}-{spec.attack.attack}-figure-1"
    downloads.button("Figure 1", "png", name, lambda: picture)


def _tables(lines: tuple[Line, ...]) -> None:
    st.subheader("Attack, defense, re-attack", anchor=False)
    st.dataframe(figures.rows(lines), hide_index=True, width="stretch")
    st.caption(figures.protocol(lines))
    downloads.button("Rows", "csv", f"{lines[0].dataset}-latent", lambda: figures.csv_text(lines))
    with st.expander("The paper's Tables 1 to 3, in percent: STL-10 and REUTERS, which do not come with the lab"):
        st.dataframe(figures.printed_rows(), hide_index=True, width="stretch")
    st.subheader("What the paper says, and what we found", anchor=False)
    for claim in claims(lines):
        st.markdown(figures.claim_text(claim))
