"""The Gallery on the screen: what is chosen, the jobs of all models, a sheet for each, the downloads."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.figures import gallery, sheet_files, words
from core.records import AttackSpec, CheckpointCard, SweepReport, SweepSpec
from pages.ui import address, cache, components, downloads, errors, jobs_bar, links, pickers
from pages.ui.pickers import Target

TICK = 1.0  # seconds between two looks at running sweeps; a slow browser must keep up with them
SAMPLES = 256  # scored, and to choose from; the Attack page's usual number, so that both share their sweeps
COUNT = 12
ASKED = "_gallery_asked"  # the sweeps this page has queued in this session


@dataclass(frozen=True)
class Line:
    """The attack on one model, or why it cannot run."""

    spec: SweepSpec
    attacker: CheckpointCard | None
    problem: str = ""

    @property
    def model(self) -> str:
        """The checkpoint's name."""
        return self.spec.attack.model


@dataclass(frozen=True)
class Look:
    """Which samples the sheets show: the order is a name in ORDERS."""

    order: str
    count: int


def pick(chosen: Target) -> tuple[tuple[Line, ...], Look, DeltaGenerator]:
    """Pick the attack, the samples and the models; also a place for the button that runs them all."""
    names = [card.name for card in cache.cards() if card.dataset == chosen.card.dataset]
    with st.container(key="gallery-controls"):
        attack = pickers.pick_attack(_attacks(chosen.card.dataset, names))
        row = st.container(horizontal=True, vertical_alignment="bottom")
        models = _pick_models(names)
        run_slot = st.container(horizontal=True, vertical_alignment="center")
        with row:
            epsilon = pickers.pick_epsilon(chosen.facts)
            note = "Chooses the samples and drives the attack's randomness."
            seed = pickers.pick_number("Seed", "seed", 0, pickers.SEEDS, 0, note)
            look = Look(_pick_order(), _pick_count())
            details = pickers.pick_details(chosen, attack, models or names)
    spec = AttackSpec(
        dataset=chosen.card.dataset,
        model="",
        attack=attack,
        epsilon=epsilon,
        samples=min(SAMPLES, chosen.facts.samples // 2),
        seed=seed,
        **details,
    )
    return tuple(_line(replace(spec, model=model)) for model in models), look, run_slot


def _attacks(dataset: str, models: Sequence[str]) -> list[str]:
    """The attacks that can run on at least one of the models."""
    possible = [cache.lab().attacks(dataset, model) for model in models]
    every = dict.fromkeys(attack for attacks in possible for attack in attacks)
    return [name for name in words.ATTACK_NAMES if name in every] or list(every)


def _pick_order() -> str:
    options = list(gallery.ORDERS)
    address.check_options("gal_order", options, gallery.ORDERS.__getitem__, "the order of samples")
    picked = st.segmented_control(
        "Order",
        options,
        format_func=gallery.ORDERS.__getitem__,
        default=options[0],
        required=True,
        key="gal_order",
        bind="query-params",
        help="Misclustered first: the samples that the smallest ε moves to another cluster, of each model its own. "
        "As drawn: the same samples for every model.",
    )
    return picked if picked in options else options[0]


def _pick_count() -> int:
    address.check_options("gal_n", gallery.COUNTS, str, "the number of samples on a sheet")
    picked = st.segmented_control(
        "Samples on a sheet",
        gallery.COUNTS,
        format_func=str,
        default=COUNT,
        required=True,
        key="gal_n",
        bind="query-params",
    )
    return picked if picked in gallery.COUNTS else COUNT


def _pick_models(names: list[str]) -> list[str]:
    address.check_options("gal_models", names, words.model_name, "the models")
    picked = st.pills(
        "Models",
        names,
        selection_mode="multi",
        format_func=words.model_name,
        default=names,
        key="gal_models",
        bind="query-params",
    )
    return [name for name in names if name in (picked or ())]


def _line(attack: AttackSpec) -> Line:
    attacker = cache.lab().attacker(attack.dataset, attack.model)
    problem = ""
    if attack.attack not in cache.lab().attacks(attack.dataset, attack.model):
        problem = (
            "No attacker has been trained against this model yet; other attacks can run. "
            f"It is made by `python -m core train {attack.dataset}/{attack.model}.gan`."
        )
    return Line(SweepSpec(attack=attack), attacker, problem)


def state(lines: Sequence[Line]) -> str:
    """What the page shows, as one text."""
    return " ".join(line.spec.digest for line in lines)


def start_first(lines: Sequence[Line]) -> None:
    """Run the first model's attack without being asked; give up what this session no longer shows."""
    asked = st.session_state.setdefault(ASKED, {})
    wanted = {line.spec.digest for line in lines}
    for digest in [digest for digest in asked if digest not in wanted]:
        cache.jobs().cancel(digest, owner=jobs_bar.owner())
        del asked[digest]
    first = next((line for line in lines if not line.problem), None)
    if first is not None and cache.excerpt(first.spec) is None and _job(first) is None:
        _submit([first])
        st.rerun()  # so that the queue in the sidebar shows it


def buttons(lines: Sequence[Line], look: Look, chosen: Target) -> None:
    """Run all that has not run, or Cancel while this session waits for some; the PDF of what there is."""
    waiting = [line for line in lines if _is_active(line) and line.spec.digest in st.session_state[ASKED]]
    missing = [line for line in lines if not line.problem and not _is_active(line) and cache.excerpt(line.spec) is None]
    if missing:
        label = "Run this model" if len(missing) == 1 else f"Run all {len(missing)} models"
        label = label if len(missing) == len(lines) else f"Run the other {len(missing)}"
        st.button(
            label,
            icon=":material/play_arrow:",
            type="primary",
            key="gallery-run",
            on_click=_submit,
            args=(missing,),
            help="One after another; each sheet appears when it is done.",
        )
    if waiting:
        st.button("Cancel", icon=":material/stop:", key="gallery-cancel", on_click=_cancel, args=(waiting,))
    _save_all(lines, look, chosen)


def show(lines: Sequence[Line], look: Look, chosen: Target) -> None:
    """The sheets, one a model. Looks again by itself while attacks run."""
    if not lines:
        st.info("Choose at least one model.", icon=":material/grid_on:")
        return
    st.html(components.ASSETS / "sheet" / "print.css")
    active = [line for line in lines if _is_active(line)]
    if active:
        with st.container(key="gallery-progress"):
            st.fragment(_progress, run_every=TICK)(lines, len(active))
    with st.container(key="gallery-note"):
        samples = gallery.shown(lines[0].spec.attack.samples, look.order, look.count)
        st.caption(
            f"Of each model {samples}. Above each picture the sample's cluster, ▲ moved to another one. "
            "Noise: the signed perturbation, its colours end at ±ε."
        )
    for line in lines:
        report = cache.excerpt(line.spec)
        if report is None:
            with st.container(horizontal=True, vertical_alignment="center", key=f"gallery-missing-{line.model}"):
                _missing(line)
        else:
            with st.container(key=f"gallery-sheet-{line.model}"), errors.shown("sheet"):
                _sheet(line, report, look, chosen)


def _progress(lines: Sequence[Line], were_active: int) -> None:
    """One line for all jobs; the page is drawn again when one ends."""
    active = [job for line in lines if (job := _job(line)) is not None and job.active]
    if len(active) != were_active:
        st.rerun()
    done = sum(cache.excerpt(line.spec) is not None for line in lines)
    runs = next((job for job in active if job.state == "running"), active[0])
    share = (done + runs.progress) / max(1, done + len(active))
    st.progress(min(share, 1.0), text=f"{runs.title}: {jobs_bar.progress_text(runs)} · {done} of {len(lines)} sheets")


def _sheet(line: Line, report: SweepReport, look: Look, chosen: Target) -> None:
    """A model: its name and numbers, its sheet, its files."""
    name, facts = words.model_name(line.model), chosen.facts
    st.subheader(name, anchor=False)
    st.caption(sheet_files.frame_note(report))
    views = tuple(facts.view_names)
    components.sheet(
        cache.sheet(report, f"{name} on {facts.title}", views, look.order, look.count), f"sheet-{line.model}"
    )
    attack = line.spec.attack
    attacker = words.attacker_sentence(line.attacker)
    st.caption(words.protocol(line.spec, report.subject.card_digest, attacker))
    with st.container(horizontal=True, vertical_alignment="center", key=f"gallery-tools-{line.model}"):
        _downloads(report, attacker, look, chosen)
        links.see(
            "attack",
            "Open in Attack",
            key=f"gallery-{line.model}",
            at=attack.epsilon,
            model=line.model,
            attack=attack.attack,
            eps=attack.epsilon,
            n=attack.samples,
            seed=attack.seed,
        )


def _missing(line: Line) -> None:
    """A model without a sheet, on one line: why, and the button that makes it."""
    job, name = _job(line), words.model_name(line.model)
    if line.problem:
        st.markdown(f"**{name}**  \n{line.problem}")
    elif job is not None and job.active:
        waits = "runs" if job.state == "running" else jobs_bar.progress_text(job)
        st.markdown(f"**{name}** :gray[:material/hourglass_top: {waits}]", width="content")
    elif job is not None and job.state == "failed":
        errors.say(f"{name}: {job.error}")
        _run_one(line, "Try again")
    else:
        why = "cancelled" if job is not None and job.state == "cancelled" else "not run yet"
        st.markdown(f"**{name}** :gray[{why}]", width="content")
        _run_one(line, "Run")


def _run_one(line: Line, label: str) -> None:
    st.button(
        label,
        icon=":material/play_arrow:",
        type="tertiary",
        key=f"gallery-run-{line.model}",
        on_click=_submit,
        args=([line],),
        help=f"Attack {words.model_name(line.model)}",
    )


def _downloads(report: SweepReport, attacker: str, look: Look, chosen: Target) -> None:
    """Files on white, whatever the screen shows."""
    name, views = words.model_name(report.spec.attack.model), tuple(chosen.facts.view_names)
    for ending, make in (("png", gallery.png), ("gif", gallery.gif)):
        data = partial(make, report, chosen.facts.title, views, order=look.order, count=look.count, attacker=attacker)
        downloads.button(name, ending, gallery.file_name(report), data)


def _save_all(lines: Sequence[Line], look: Look, chosen: Target) -> None:
    both = [(cache.excerpt(line.spec), words.attacker_sentence(line.attacker)) for line in lines]
    sheets = [(report, attacker) for report, attacker in both if report is not None]
    if not sheets:
        return
    first = sheets[0][0].spec.attack
    name = f"{first.dataset}-gallery-{first.attack}-{first.epsilon:g}-seed{first.seed}"
    views = tuple(chosen.facts.view_names)
    make = partial(gallery.pdf, sheets, chosen.facts.title, views, order=look.order, count=look.count)
    downloads.button("1 sheet" if len(sheets) == 1 else f"{len(sheets)} sheets", "pdf", name, make)


def _job(line: Line) -> Any:
    return cache.jobs().get(line.spec.digest)


def _is_active(line: Line) -> bool:
    job = _job(line)
    return job is not None and job.active


def _submit(lines: Sequence[Line]) -> None:
    jobs_bar.submit(*(line.spec for line in lines))
    st.session_state[ASKED].update((line.spec.digest, True) for line in lines)


def _cancel(lines: Sequence[Line]) -> None:
    jobs_bar.cancel(*(line.spec for line in lines))
