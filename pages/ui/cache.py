"""The app's only caches: the lab, the queue, and what is cheap to keep of a result. Keys are specs, never arrays."""

from collections.abc import Iterator

import streamlit as st

from core.figures import stage
from core.jobs import JobQueue, JobView
from core.lab import Lab
from core.records import CheckpointCard, MapRecord, SweepReport, SweepSpec

CLEAN_REPORTS = 16
BUFFERS = 32


@st.cache_resource(show_spinner="Reading the checkpoints …")
def lab() -> Lab:
    """The one lab of this server."""
    return Lab()


@st.cache_resource(show_spinner=False)
def jobs() -> JobQueue:
    """The one queue of this server's device."""
    return JobQueue()


@st.cache_data(ttl=5, max_entries=1, show_spinner=False)
def cards() -> tuple[CheckpointCard, ...]:
    """The checkpoints; looked at again every few seconds, as training may add one."""
    return lab().cards()


@st.cache_resource(max_entries=CLEAN_REPORTS, show_spinner="Clustering clean samples …")
def clean(spec: SweepSpec) -> SweepReport:
    """The sweep's first frame: the clean samples."""
    sweep = lab().sweep(spec)
    try:
        return next(sweep)
    finally:
        close = getattr(sweep, "close", None)
        if close is not None:
            close()


def map_of(report: SweepReport, method: str) -> MapRecord | None:
    """The report's map if it can be had at once: PCA always, UMAP once :func:`ask_for_map` has done its work."""
    if method == "pca":
        return pca(report)
    job = jobs().get(map_key(report))
    return job.latest if job is not None and job.state == "done" else None


def pca(report: SweepReport) -> MapRecord:
    """The report's map by PCA."""
    return _pca(report.spec.digest, len(report.frames), report)


@st.cache_resource(max_entries=BUFFERS, show_spinner=False)
def _pca(digest: str, frames: int, _report: SweepReport) -> MapRecord:
    return lab().map(_report, "pca")


def map_key(report: SweepReport) -> str:
    """The key of the job that makes a report's UMAP."""
    return f"umap-{len(report.frames)}-{report.spec.digest}"


def ask_for_map(report: SweepReport, owner: str) -> JobView:
    """Queue the report's UMAP; the first of a checkpoint takes 10 to 40 seconds."""
    the_lab = lab()

    def start() -> Iterator[MapRecord]:
        yield the_lab.map(report, "umap")

    return jobs().submit(map_key(report), start, owner=owner, title="UMAP", noun="map")


def ask_for_sweep(spec: SweepSpec, owner: str, title: str) -> JobView:
    """Queue the sweep, or join whoever has asked for the same."""
    the_lab = lab()
    return jobs().submit(
        spec.digest,
        lambda: the_lab.sweep(spec),
        owner=owner,
        title=title,
        progress=lambda report: report.progress,
    )


def buffer(
    report: SweepReport, map_record: MapRecord, view_names: tuple[str, ...], start: float | None, attacker: str
) -> bytes:
    """The stage's bytes, packed once for all who look at the same."""
    key = f"{report.spec.digest}-{len(report.frames)}-{map_record.method}"
    return _buffer(key, view_names, start, attacker, report, map_record)


@st.cache_resource(max_entries=BUFFERS, show_spinner=False)
def _buffer(
    key: str,
    view_names: tuple[str, ...],
    start: float | None,
    attacker: str,
    _report: SweepReport,
    _map: MapRecord,
) -> bytes:
    return stage.pack(_report, _map, view_names=view_names, start=start, attacker=attacker)
