"""The app's only caches: the lab, the queue, and what is cheap to keep of a result. Keys are specs, never arrays."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from math import prod
from threading import RLock
from typing import Any

import streamlit as st

from core.certify.results import PlaneReport, PlaneSpec
from core.certify.tables import RobustLine
from core.figures import defense, gallery, latent, neighbours, plane, stage, steps, training
from core.figures import glimpse as glimpses
from core.jobs import JobQueue, JobView
from core.lab import Lab
from core.neighbours.pursuit_records import PursuitReport, PursuitSpec
from core.processes import Trainings
from core.records import CheckpointCard, ConfusionRecord, MapRecord, SweepReport, SweepScores, SweepSpec
from core.shelf import Shelf
from core.studies.plans import SEEDS
from core.table_records import ResultTable
from core.theorem_records import TheoremReport, TheoremSpec
from core.trace_records import TraceReport, TraceSpec
from core.training_records import RunRecord

CLEAN = 2**29  # bytes of clean samples: a thousand large pictures take a third of them
BUFFERS = 32
NAMING = 256  # samples by which clusters get their names
EXCERPTS = 16
PACKED = 2**28  # bytes of what browsers were sent, kept for the next who looks at the same


# Not in Streamlit's caches: any browser may ask for those to be cleared, for everybody.
_the_only: dict[str, Any] = {}
_making = RLock()


def _only(name: str, make: Callable[[], Any]) -> Any:
    with _making:
        if name not in _the_only:
            _the_only[name] = make()
        return _the_only[name]


def forget_everything() -> None:
    """Begin anew, as a server does that has just been started."""
    with _making:
        _the_only.clear()
    st.cache_resource.clear()
    st.cache_data.clear()


def lab() -> Lab:
    """The one lab of this server."""
    the_lab: Lab = _only("lab", Lab)
    return the_lab


def jobs() -> JobQueue:
    """The one queue of this server's device."""
    queue: JobQueue = _only("jobs", JobQueue)
    return queue


def trainings() -> Trainings:
    """The runs of this server's folder, and the line of those that are to be started."""
    runs: Trainings = _only("trainings", lambda: Trainings(lab().runs_folder))
    return runs


def term_curves(run: RunRecord) -> Any:
    """A run's loss terms, drawn once for all who look at the same epochs."""
    epochs = len(run.trials) + len(run.logs)
    return _term_curves(run.id, run.started, epochs, run.state == "finished", run)


@st.cache_resource(max_entries=BUFFERS, show_spinner=False)
def _term_curves(name: str, started: float, epochs: int, finished: bool, _run: RunRecord) -> Any:
    return training.term_curves(_run)


def cards() -> tuple[CheckpointCard, ...]:
    """The checkpoints of pictures."""
    titles = lab().dataset_titles()
    return tuple(card for card in lab().cards() if card.dataset in titles)


def clean(spec: SweepSpec) -> SweepReport:
    """The sweep's first frame: the clean samples."""

    def make() -> SweepReport:
        with st.spinner("Clustering clean samples …"):
            report = _first(lab().sweep(spec))
            lab().map(report, "pca")  # fitted here once, of far more samples: no page is empty meanwhile
            return report

    shelf: Shelf[SweepReport] = _only("clean", lambda: Shelf(CLEAN, lambda report: report.nbytes))
    return shelf.get(spec, make)


def _first(sweep: Iterator[SweepReport]) -> SweepReport:
    try:
        return next(sweep)
    finally:
        close = getattr(sweep, "close", None)
        if close is not None:
            close()


def map_of(report: SweepReport | TraceReport, method: str) -> MapRecord | None:
    """The report's map if it can be had at once: PCA always, UMAP once :func:`ask_for_map` has done its work."""
    if method == "pca":
        return pca(report)
    job = jobs().get(map_key(report))
    return job.latest if job is not None and job.state == "done" else None


def pca(report: SweepReport | TraceReport) -> MapRecord:
    """The report's map by PCA."""
    return _pca(report.spec.digest, len(report.frames), report)


@st.cache_resource(max_entries=BUFFERS, show_spinner=False)
def _pca(digest: str, frames: int, _report: SweepReport | TraceReport) -> MapRecord:
    return lab().map(_report, "pca")


def map_key(report: SweepReport | TraceReport) -> str:
    """The key of the job that makes a report's UMAP."""
    return f"umap-{len(report.frames)}-{report.spec.digest}"


def ask_for_map(report: SweepReport | TraceReport, owner: str) -> JobView:
    """Queue the report's UMAP; the first of a checkpoint takes 10 to 40 seconds."""
    the_lab = lab()

    def start() -> Iterator[MapRecord]:
        yield the_lab.map(report, "umap")

    return jobs().submit(map_key(report), start, owner=owner, title="UMAP", noun="map")


def ask_for_sweep(spec: SweepSpec, owner: str, title: str, *, later: bool = False) -> JobView:
    """Queue the sweep, or join whoever has asked for the same. Its numbers are kept for another day.

    One for ``later`` gives way to work that somebody waits for.
    """
    the_lab = lab()

    def start() -> Iterator[SweepReport]:
        for report in the_lab.sweep(spec):
            yield report
            if report.finished:
                the_lab.keep(report)
                table.clear()

    pixels = sum(map(prod, the_lab.dataset_facts(spec.attack.dataset).view_shapes))
    return jobs().submit(
        spec.digest,
        start,
        owner=owner,
        title=title,
        progress=lambda report: report.progress,
        weigh=lambda report: report.nbytes,
        work=spec.passes * pixels,
        later=later,
    )


def scores(spec: SweepSpec) -> SweepScores | None:
    """The numbers of a sweep that was run on this machine or comes with the lab; None where it has to be run."""
    return lab().scores(spec)


def confusion(specs: tuple[SweepSpec, ...]) -> ConfusionRecord | None:
    """The kept confusion matrices of the first of these sweeps that has been run; None where none has."""
    return next((record for spec in specs if (record := lab().confusion(spec)) is not None), None)


@st.cache_resource(ttl=5, max_entries=16, show_spinner="Reading the results …")
def table(name: str, protocol: str) -> ResultTable:
    """A table of the paper with what there is of ours; read again when a sweep ends, and every few seconds."""
    return lab().table(name, protocol)


@st.cache_data(ttl=60, max_entries=3, show_spinner="Reading the results …")
def protocols(name: str) -> tuple[str, ...]:
    """The protocols that a table has numbers of; looked up again after a minute."""
    return tuple(protocol for protocol in SEEDS if any(cell.results for cell in table(name, protocol).cells.values()))


@st.cache_data(ttl=60, max_entries=1, show_spinner="Looking the results up …")
def findings() -> dict[str, list[str]]:
    """What the kept numbers say of the paper; looked up again after a minute."""
    return lab().findings()


@dataclass(frozen=True)
class Opening:
    """How a stage is opened: names of the views, the ε, what is chosen, and what trained the attacker."""

    view_names: tuple[str, ...]
    start: float | None
    selection: str
    attacker: str


def buffer(report: SweepReport, map_record: MapRecord, opening: Opening) -> bytes:
    """The stage's bytes, packed once for all who look at the same."""

    def pack() -> bytes:
        return stage.pack(
            report,
            map_record,
            view_names=opening.view_names,
            start=opening.start,
            attacker=opening.attacker,
            selection=opening.selection,
        )

    return _packed().get(("stage", *_state(report, map_record), opening), pack)


def _packed() -> Shelf[bytes]:
    """What is sent to browsers, packed once for all who look at the same."""
    shelf: Shelf[bytes] = _only("packed", lambda: Shelf(PACKED, len))
    return shelf


def _state(report: SweepReport | TraceReport, map_record: MapRecord) -> tuple[str, int, str]:
    return report.spec.digest, len(report.frames), map_record.method


def latent_figure(spec: SweepSpec, report: SweepReport) -> bytes:
    """ALRDC's Figure 1 of a finished sweep, drawn once for all who look at the same."""
    return _packed().get(("latent", spec), lambda: latent.figure_1(report))


def small_stage(report: SweepReport, map_record: MapRecord, view_names: tuple[str, ...], attacker: str) -> bytes:
    """A column of the Defense page, packed once for all who look at the same."""
    return _packed().get(
        ("column", *_state(report, map_record), view_names, attacker),
        lambda: defense.small_stage(report, map_record, view_names=view_names, attacker=attacker),
    )


def ask_for_trace(spec: TraceSpec, owner: str, title: str) -> JobView:
    """Queue the trace, or join whoever has asked for the same."""
    the_lab = lab()
    return jobs().submit(
        spec.digest,
        lambda: the_lab.trace(spec),
        owner=owner,
        title=title,
        noun="trace",
        progress=lambda report: report.progress,
    )


def trace_buffer(report: TraceReport, map_record: MapRecord, view_names: tuple[str, ...], start: int | None) -> bytes:
    """The bytes of the component "steps", packed once for all who look at the same."""
    return _packed().get(
        ("steps", *_state(report, map_record), view_names, start),
        lambda: steps.pack(report, map_record, view_names=view_names, start=start),
    )


def ask_for_pursuit(spec: PursuitSpec, owner: str) -> JobView:
    """Queue the pursuit, or join whoever has asked for the same."""
    the_lab = lab()
    return jobs().submit(
        spec.digest,
        lambda: the_lab.neighbours.pursue(spec),
        owner=owner,
        title="Push toward a neighbour",
        noun="push",
        progress=lambda report: report.progress,
    )


def pursuit_buffer(report: PursuitReport, view_names: tuple[str, ...], start: int | None) -> bytes:
    """The steps of a pursuit for the component "steps", packed once for all who look at the same."""
    trace, rules = report.trace, neighbours.protocol(report)
    return _packed().get(
        ("pursuit", report.spec.digest, len(trace.frames), view_names, start),
        lambda: steps.pack(trace, report.map, view_names=view_names, start=start, rules=rules),
    )


def excerpt(spec: SweepSpec) -> SweepReport | None:
    """What the Gallery shows of a sweep, kept longer than the sweep itself; None until it has run."""
    try:
        return _excerpt(spec)
    except LookupError:
        return None


@st.cache_resource(max_entries=EXCERPTS, show_spinner=False)
def _excerpt(spec: SweepSpec) -> SweepReport:
    job = jobs().get(spec.digest)
    if job is None or job.state != "done":
        raise LookupError("The sweep has not run.")
    return gallery.excerpt(job.latest)


def sheet(report: SweepReport, name: str, view_names: tuple[str, ...], order: str, count: int) -> bytes:
    """The bytes of the component "sheet", packed once for all who look at the same."""
    return _packed().get(
        ("sheet", report.spec, name, view_names, order, count),
        lambda: gallery.pack(report, name, view_names, order, count),
    )


def choice_buffer(spec: SweepSpec, chosen: tuple[int, ...]) -> bytes:
    """The bytes of the component "strip": the clean samples of a sweep, those that are ``chosen`` marked."""
    return steps.pack_choice(clean(spec), chosen)


@st.cache_data(ttl=5, max_entries=BUFFERS, show_spinner=False)
def theorem(spec: TheoremSpec) -> TheoremReport | None:
    """The kept measurement of Theorem 4.2, None where it has to be made; looked at again, as a job may make it."""
    return lab().kept_theorem(spec)


def ask_for_theorem(spec: TheoremSpec, owner: str, title: str) -> JobView:
    """Queue the measurement, which is then kept."""
    the_lab = lab()
    return jobs().submit(
        f"theorem-{spec.digest}",
        lambda: the_lab.theorem(spec),
        owner=owner,
        title=title,
        noun="measurement",
        progress=lambda report: report.progress,
    )


@st.cache_data(ttl=5, max_entries=4, show_spinner="Reading the results …")
def robust_lines(dataset: str) -> tuple[RobustLine, ...]:
    """ClusTR's rows on a data set; looked up again every few seconds."""
    return lab().certify.lines(dataset)


@st.cache_resource(ttl=60, max_entries=1, show_spinner="Reading the results …")
def planes() -> dict[PlaneSpec, PlaneReport | None]:
    """The trainings of Figure 3, as far as they are kept."""
    return lab().certify.planes()


@st.cache_resource(ttl=5, max_entries=BUFFERS, show_spinner=False)
def kept_plane(spec: PlaneSpec) -> PlaneReport | None:
    """A training in the plane that was kept, else None."""
    return lab().certify.kept_plane(spec)


def plane_key(spec: PlaneSpec) -> str:
    """The key of the job that trains it."""
    return f"plane-{spec.digest}"


def ask_for_plane(spec: PlaneSpec, owner: str, title: str) -> JobView:
    """Queue a training in the plane from its first epoch, kept or not: it is there to be watched."""
    the_lab = lab()
    return jobs().submit(
        plane_key(spec),
        lambda: the_lab.certify.plane(spec, again=True),
        owner=owner,
        title=title,
        noun="training",
        progress=lambda report: report.progress,
    )


def plane_buffer(reports: tuple[PlaneReport, ...], point: tuple[float, float], sentence: str) -> bytes:
    """The bytes of the component "plane", packed once for all who look at the same."""
    key = " ".join(f"{report.spec.digest}-{len(report.frames)}-{report.finished}" for report in reports)
    return _plane_buffer(key, point, sentence, reports)


@st.cache_resource(max_entries=BUFFERS, show_spinner=False)
def _plane_buffer(key: str, point: tuple[float, float], sentence: str, _reports: tuple[PlaneReport, ...]) -> bytes:
    return plane.pack(_reports, point, sentence)


@st.cache_resource(max_entries=BUFFERS, show_spinner="Attacking a few samples …")
def glimpse(specs: tuple[SweepSpec, ...], view_names: tuple[str, ...], start: float) -> bytes:
    """The glimpse's bytes. Of a handful of samples, so that a sweep costs less than the clean frame of a page."""
    reports = [list(lab().sweep(spec))[-1] for spec in specs]
    many = replace(specs[0], attack=replace(specs[0].attack, samples=NAMING, seed=0))
    return glimpses.pack(reports, subject=clean(many).subject, view_names=view_names, start=start)
