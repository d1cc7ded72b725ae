"""One attack on the undefended model and on its defenses: the jobs, where they stand, the columns, the downloads."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import streamlit as st

from core.figures import defense, robustness, words
from core.records import CheckpointCard, SweepReport, SweepSpec
from core.studies import plans
from pages.ui import address, cache, components, downloads, errors, jobs_bar, links
from pages.ui.pickers import Target

TICK = 0.8  # seconds between two looks at running sweeps


@dataclass(frozen=True)
class Line:
    """A column: the attack on one model, or why there is none and the command that changes it."""

    model: str
    spec: SweepSpec | None  # None where there is no such model
    card: CheckpointCard | None = None
    attacker: CheckpointCard | None = None
    problem: str = ""
    command: str = ""

    @property
    def can_run(self) -> bool:
        """Whether the attack can run on it."""
        return self.spec is not None and not self.problem


def has_defenses(chosen: Target) -> bool:
    """Whether the page's models can be trained on the data set: they cluster several views."""
    return len(chosen.facts.view_names) > 1


def show_elsewhere(chosen: Target) -> None:
    """Where to find the defenses of models of one view."""
    st.info(
        f"The defenses compared here cluster several views of a sample, and {chosen.facts.title} has one. "
        "Choose another data set, or see what is done for one view:",
        icon=":material/shield:",
    )
    dataset, elsewhere = chosen.card.dataset, {"certify": "cert_data", "neighbours": "nb_data", "latent": "lat_data"}
    said = {
        "certify": "Classifiers trained against attacks, and with a certificate (ClusTR)",
        "neighbours": "Encoders trained against pushes to the neighbouring cluster (NCP-ACL)",
        "latent": "Clustering networks hardened in their latent space (ALRDC)",
    }
    for page, key in elsewhere.items():
        links.see(page, said[page], key=f"defense-{page}", **{key: dataset})


def attacks(chosen: Target) -> tuple[str, ...]:
    """The attacks that can run on at least one of the columns' models."""
    lab, dataset = cache.lab(), chosen.card.dataset
    models = [card.name for card in cache.cards() if card.dataset == dataset and card.name in defense.MODELS]
    possible = [lab.attacks(dataset, model) for model in models or [chosen.card.name]]
    return tuple(dict.fromkeys(attack for attacks in possible for attack in attacks))


def lineup(spec: SweepSpec) -> tuple[Line, ...]:
    """The attack of ``spec`` on the model of each column; our own defense has one only where it was trained."""
    dataset = spec.attack.dataset
    there = {card.name: card for card in cache.cards() if card.dataset == dataset}
    shown = [model for model in defense.MODELS if model in there or model != plans.OWN]
    return tuple(_line(spec, model, there.get(model)) for model in shown)


def _line(spec: SweepSpec, model: str, card: CheckpointCard | None) -> Line:
    attack, name = spec.attack, words.model_name(model)
    train = f"python -m core train {attack.dataset}/{model}"
    if card is None:
        return Line(model, None, problem=f"{name} has not been trained on this data set.", command=train)
    own, attacker = replace(spec, attack=replace(attack, model=model)), cache.lab().attacker(attack.dataset, model)
    if attack.attack == "gan" and attacker is None:
        problem = f"No attacker has been trained against {name}; other attacks can run."
        return Line(model, own, card, problem=problem, command=f"{train}.gan")
    return Line(model, own, card, attacker)


def run_if_linked(lines: Sequence[Line]) -> None:
    """A link that names a position ε shows that position: run the attack at once, the first time."""
    jobs_bar.run_if_linked(*specs(lines))


def run_button(lines: Sequence[Line]) -> None:
    """Run on all models, or Cancel while this session waits for one of them."""
    own = specs(lines)
    if not own:
        return
    waiting = [spec for spec in (*own, *_stronger(lines)) if _is_mine(spec)]
    done = all(_is_done(spec) for spec in own)
    jobs_bar.run_or_cancel(
        f"Run on all {len(own)}" if len(own) > 1 else "Run attack",
        run=partial(jobs_bar.submit, *own),
        cancel=partial(jobs_bar.cancel, *waiting) if waiting else None,
        refusal="This attack has been run on every model here; change a choice to run another." if done else "",
    )


def show(lines: Sequence[Line], spec: SweepSpec, chosen: Target, method: str) -> None:
    """Everything below the controls. Looks again by itself while there is work for it."""
    if method != "pca" and not any(_is_active(own) for own in specs(lines)):
        missing = [report for report in _reports(lines).values() if cache.jobs().get(cache.map_key(report)) is None]
        for report in missing:
            cache.ask_for_map(report, jobs_bar.owner())
        if missing:
            st.rerun()  # so that the queue in the sidebar shows it
    jobs_bar.watch(partial(_show, lines, spec, chosen, method), partial(_jobs, lines, method), tick=TICK)


def _show(lines: Sequence[Line], spec: SweepSpec, chosen: Target, method: str) -> None:
    _status(lines, method)
    columns = _columns(lines)
    components.defense(
        defense.pack(
            spec,
            columns,
            {model: _stage(column, lines, chosen, method) for model, column in columns.items()},
            problems={line.model: (line.problem, line.command) for line in lines if line.problem},
            start=address.position(),
        )
    )
    _take_along(lines, columns)


def _stage(column: defense.Column, lines: Sequence[Line], chosen: Target, method: str) -> bytes:
    report = column.report
    attacker = next(line.attacker for line in lines if line.model == report.spec.attack.model)
    map_record = cache.map_of(report, method) or cache.pca(report)
    return cache.small_stage(report, map_record, tuple(chosen.facts.view_names), words.attacker_sentence(attacker))


def _columns(lines: Sequence[Line]) -> dict[str, defense.Column]:
    columns = {}
    for line in lines:
        if line.spec is not None:
            columns[line.model] = defense.Column(_report(line), **_known(line))
    return columns


def _known(line: Line) -> dict[str, Any]:
    """What is kept of an earlier run, numbers and matrices, and what stronger attacks leave."""
    if line.spec is None or line.card is None or not line.can_run:
        return {}
    return {
        "kept": cache.scores(line.spec),
        "matrices": cache.confusion((line.spec,)),
        "harder": _harder(line),
        "worst": cache.scores(plans.ensemble(line.card)),
    }


def _report(line: Line) -> SweepReport:
    """The newest that the column's job has, else its clean samples."""
    assert line.spec is not None
    job = cache.jobs().get(line.spec.digest)
    if job is not None and job.latest is not None:
        report: SweepReport = job.latest
        return report
    usable = line.spec if line.can_run else replace(line.spec, attack=replace(line.spec.attack, attack="noise"))
    return cache.clean(usable)


def _reports(lines: Sequence[Line]) -> dict[str, SweepReport]:
    return {line.model: _report(line) for line in lines if line.spec is not None}


def _harder(line: Line) -> robustness.Result | None:
    """What is known of the stronger attack on a column's model."""
    strongest = None if line.spec is None else robustness.stronger(line.spec)
    if strongest is None:
        return None
    kept, job = cache.scores(strongest), cache.jobs().get(strongest.digest)
    return kept if kept is not None or job is None else job.latest


def _status(lines: Sequence[Line], method: str) -> None:
    """One line a column, so that nothing below it jumps; failures take the room they need."""
    jobs = {spec.digest: cache.jobs().get(spec.digest) for spec in (*specs(lines), *_stronger(lines))}
    for job in jobs.values():
        if job is not None and job.state == "failed":
            errors.say(f"{job.title}: {job.error}")
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        for line in lines:
            st.caption(f"**{words.model_name(line.model)}**: {_state(line, method)}", width="content")
        _check(lines)


def _state(line: Line, method: str) -> str:
    """Where a column stands, in a few words."""
    if line.spec is None:
        return "not trained"
    if not line.can_run:
        return "clean samples only"
    strongest = robustness.stronger(line.spec)
    for spec, what in ((line.spec, ""), (strongest, "stronger attack, ")):
        job = None if spec is None else cache.jobs().get(spec.digest)
        if job is not None and job.active:
            return f":material/hourglass_top: {what}{jobs_bar.progress_text(job)}"
    fitting = None if method == "pca" else cache.jobs().get(cache.map_key(_report(line)))
    if fitting is not None and fitting.active:
        return ":material/hourglass_top: UMAP is being fitted, PCA meanwhile"
    job = cache.jobs().get(line.spec.digest)
    if job is None:
        return "scores of an earlier run" if cache.scores(line.spec) else "clean samples"
    frames = 0 if job.latest is None else len(job.latest.frames) - 1
    how = {"done": "finished", "cancelled": "cancelled"}.get(job.state, job.state)
    return f"{how}, {frames} of {line.spec.points - 1} values of ε in {job.seconds:.0f} s"


def _check(lines: Sequence[Line]) -> None:
    """The button that asks a stronger attack."""
    harder = [spec for spec in _stronger(lines) if cache.scores(spec) is None and not _is_done(spec)]
    if not harder or any(_is_active(spec) for spec in harder):
        return
    if st.button(
        "Check with a stronger attack",
        key="stronger",
        icon=":material/gavel:",
        type="tertiary",
        help=f"{robustness.phrase(harder[0].attack)}, same samples, same ε. "
        "A defense is only known to hold against what was tried.",
    ):
        jobs_bar.submit(*harder)
        st.rerun(scope="app")


def _take_along(lines: Sequence[Line], columns: dict[str, defense.Column]) -> None:
    """The numbers to take home, and the way to each model's own page."""
    attacked = [column for column in columns.values() if len(column.report.frames) > 1]
    if not attacked or any(map(_is_active, specs(lines))):
        return
    attack = attacked[0].report.spec.attack
    attackers = {line.model: words.attacker_sentence(line.attacker) for line in lines}
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        name = f"{attack.dataset}-defense-{attack.attack}-{attack.epsilon:g}-seed{attack.seed}"
        downloads.button("Scores of all models", "csv", name, lambda: defense.scores_csv(attacked, attackers))
        for column in attacked:
            model = column.report.spec.attack.model
            note = "The same attack in full: more pictures, flows between clusters, every score."
            links.see("attack", f"{column.name} alone", key=f"alone-{model}", at=attack.epsilon, note=note, model=model)


def specs(lines: Sequence[Line]) -> list[SweepSpec]:
    """The attack on every model that is there."""
    return [line.spec for line in lines if line.spec is not None and line.can_run]


def _stronger(lines: Sequence[Line]) -> list[SweepSpec]:
    harder = [robustness.stronger(spec) for spec in specs(lines)]
    return [spec for spec in harder if spec is not None]


def _is_active(spec: SweepSpec) -> bool:
    job = cache.jobs().get(spec.digest)
    return job is not None and job.active


def _is_mine(spec: SweepSpec) -> bool:
    return _is_active(spec) and cache.jobs().owns(spec.digest, jobs_bar.owner())


def _is_done(spec: SweepSpec) -> bool:
    job = cache.jobs().get(spec.digest)
    return job is not None and job.state == "done"


def _jobs(lines: Sequence[Line], method: str) -> list[cache.JobView | None]:
    maps = [] if method == "pca" else [cache.map_key(report) for report in _reports(lines).values()]
    sweeps = [spec.digest for spec in (*specs(lines), *_stronger(lines))]
    return [cache.jobs().get(key) for key in (*sweeps, *maps)]
