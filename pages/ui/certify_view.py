"""ClusTR on the screen: the plane with its certificate, the rule that fails, the attacks that undo the table."""

from dataclasses import dataclass
from functools import partial

import streamlit as st

from core.certify.results import METHODS, PlaneReport, PlaneSpec
from core.certify.tables import RobustLine, claims
from core.figures import certify as figures
from core.figures import plane
from pages.ui import address, cache, components, downloads, errors, jobs_bar, links, pickers

WITH_LABELS = (
    "**Classifiers, trained with labels.** A sample is of the class whose centre its features lie nearest. Their "
    "distance from the border, divided by how fast features can change, is a radius in which nothing flips the class."
)
START = (0.3, 0.7)
PLACES = ("px", "py")  # of the point, in the address


@dataclass(frozen=True)
class Chosen:
    """Points, seed, and the pictures of the table."""

    points: str
    seed: int
    pictures: str | None  # None where no classifier is trained on any

    @property
    def specs(self) -> tuple[PlaneSpec, ...]:
        """The trainings side by side."""
        return tuple(PlaneSpec(dataset=self.points, model=model, seed=self.seed) for model in METHODS)


def introduce() -> None:
    """What this page is about."""
    st.info(WITH_LABELS, icon=":material/workspace_premium:")


def pick() -> Chosen:
    """Pick the points, the seed, the pictures of the table, and start a training."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        points = _pick_box("Points", "cert_points", figures.SETS, "the points", 150)
        seed = pickers.pick_number("Seed", "cert_seed", 0, pickers.SEEDS, 0, "Draws the weights and the batches.")
        titles = {name: cache.lab().dataset_facts(name).title for name in cache.lab().certify.datasets()}
        pictures = _pick_box("Pictures of the table", "cert_data", titles, "the pictures", 190) if titles else None
        chosen = Chosen(points, seed, pictures)
        _train_button(chosen)
    return chosen


def _pick_box(label: str, key: str, options: dict[str, str], what: str, width: int) -> str:
    address.check_options(key, list(options), options.__getitem__, what)
    picked = st.selectbox(
        label, list(options), format_func=options.__getitem__, key=key, bind="query-params", width=width
    )
    return picked if picked in options else next(iter(options))


def _jobs(chosen: Chosen) -> list[cache.JobView | None]:
    return [cache.jobs().get(cache.plane_key(spec)) for spec in chosen.specs]


def _train_button(chosen: Chosen) -> None:
    active = [job for job in _jobs(chosen) if job is not None and job.active]
    jobs_bar.run_or_cancel(
        "Train live", run=lambda: _train(chosen), cancel=(lambda: _cancel(chosen)) if active else None
    )


def _train(chosen: Chosen) -> None:
    for spec in chosen.specs:
        title = f"{plane.TITLES[spec.model]}, {figures.SETS[spec.dataset].lower()}"
        with jobs_bar.if_there_is_room():
            cache.ask_for_plane(spec, jobs_bar.owner(), title)


def _cancel(chosen: Chosen) -> None:
    for spec in chosen.specs:
        cache.jobs().cancel(cache.plane_key(spec), owner=jobs_bar.owner())


def show_plane(chosen: Chosen) -> None:
    """Both trainings on one scrubber, and a point to drag; looks again by itself while they are under way."""
    st.subheader("In the plane: regions, centres, certified discs", anchor=False)
    address.show_notices(f"{chosen.points}-{chosen.seed}")
    jobs_bar.watch(partial(_plane, chosen), partial(_jobs, chosen), place="plane")
    planes = cache.planes()
    said = figures.certified_sentence(planes, chosen.points)
    st.markdown("**Figure 3: certified accuracy against the radius**")
    st.plotly_chart(
        figures.certified_curves(planes, chosen.points),
        key="figure-3",
        config={"displaylogo": False, "toImageButtonOptions": {"format": "svg"}},
        alt=f"Certified accuracy over the radius, for new weights and for a warm start. {said}",
    )
    st.caption(
        f"{said} Points of the half that training did not see; bands from the lowest to the highest seed. Each curve "
        "uses a Lipschitz constant proven for the unit square, by intervals in ever smaller cells. "
        "`python -m core certify plane`"
    )


def _plane(chosen: Chosen) -> None:
    jobs = _jobs(chosen)
    reports = [_report(spec, job) for spec, job in zip(chosen.specs, jobs, strict=True)]
    _status(chosen, jobs, reports)
    there = [report for report in reports if report is not None]
    if there:
        sentence = "Press play to watch the regions form, then drag the point or move it with the arrow keys."
        components.plane(cache.plane_buffer(tuple(there), _point(), sentence), _remember_point)


def _report(spec: PlaneSpec, job: cache.JobView | None) -> PlaneReport | None:
    """The newest of a training that was started here, else the kept one."""
    if job is not None and job.latest is not None and job.state != "failed":
        latest: PlaneReport = job.latest
        return latest
    return cache.planes().get(spec) or cache.kept_plane(spec)


def _status(chosen: Chosen, jobs: list[cache.JobView | None], reports: list[PlaneReport | None]) -> None:
    for job in jobs:
        if job is not None and job.state == "failed":
            errors.say(job.error)
    waiting = [job for job in jobs if job is not None and job.active]
    if waiting:
        st.caption(f":material/hourglass_top: **{waiting[0].title}**: {jobs_bar.progress_text(waiting[0])}")
    elif any(report is None for report in reports):
        st.caption(f"Seed {chosen.seed} has not been trained yet: **Train live** does it, half a minute for both.")
    else:
        st.caption("Trained to the end: the last epoch's radii are proven. **Train live** shows a training as it runs.")


def _point() -> tuple[float, float]:
    found = []
    for key, usual in zip(PLACES, START, strict=True):
        text = (address.arrived(key) or [""])[-1]
        try:
            value = float(text)
        except ValueError:
            value = usual
        found.append(value if 0 <= value <= 1 else usual)
    return found[0], found[1]


def _remember_point() -> None:
    point = components.plane_point()
    if point is not None:
        for key, value in zip(PLACES, point, strict=True):
            st.query_params[key] = f"{value:g}"


def show_rule() -> None:
    """The paper's rule for several classes, and where it fails."""
    st.subheader("Several classes: the rule the paper prints is no certificate", anchor=False)
    st.plotly_chart(
        figures.counter_example(), key="rule", config={"displayModeBar": False}, alt=figures.COUNTER_SENTENCE
    )
    st.caption(figures.COUNTER_SENTENCE)


def show_table(chosen: Chosen) -> None:
    """The rows under every attack, why they differ, the paper's tables, the claims."""
    st.subheader("What is left of the robustness", anchor=False)
    if chosen.pictures is None:
        st.info(
            "No classifier is trained on pictures yet: `python -m core train digits/clustr`.",
            icon=":material/model_training:",
        )
        return
    lines = cache.robust_lines(chosen.pictures)
    st.markdown(figures.verdict(lines))
    st.dataframe(figures.rows(lines), hide_index=True, width="stretch")
    st.caption(figures.protocol(lines))
    for remedy in dict.fromkeys(line.remedy for line in lines if line.remedy):
        st.caption(f"Missing: `{remedy}`")
    downloads.button("Rows", "csv", f"{chosen.pictures}-certify", lambda: figures.csv_text(lines))
    with st.expander("The paper's Tables 1 and 2, in percent: ResNet-18 on CIFAR-10, SVHN and CIFAR-100, ε = 8/255"):
        st.dataframe(figures.printed_rows(), hide_index=True, width="stretch")
        st.caption(
            "Four rows are of other papers and of wider networks, so that rows cannot be compared like for like."
        )
    _mechanism(lines)
    st.subheader("What the paper says, and what we found", anchor=False)
    for claim in claims(lines, cache.planes()):
        st.markdown(figures.claim_text(claim))
    links.see("attack", "Attack the pixels of ClusTR", key="certify-attack", data=chosen.pictures, model="clustr")


def _mechanism(lines: tuple[RobustLine, ...]) -> None:
    measured = {line.model: line for line in lines if line.result is not None and "scores" in line.result.slopes}
    if not measured:
        return
    st.markdown("**Why: the slope that the paper's attack follows fades away**")
    options = {model: figures.method(model) for model in measured}
    model = _pick_box("Model", "cert_model", options, "the model of the curve", 220)
    said = figures.fading_sentence(measured[model])
    st.plotly_chart(
        figures.fading(measured[model]),
        key="fading",
        config={"displaylogo": False, "toImageButtonOptions": {"format": "svg"}},
        alt=f"Length of the slope of scores and of log-scores along the way to a wrong class. {said}",
    )
    st.caption(
        f"{said} A score is exp(−d/2s²): where d is many s², it is nearly 0 whichever way one goes on, so that an "
        "attack on scores loses the way before it arrives. The logarithm −d/2s² is steep to the end."
    )
