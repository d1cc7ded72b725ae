"""Running work: the button that starts it, the bar in the sidebar that shows the queue."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from uuid import uuid4

import streamlit as st

from core.errors import LabError
from core.figures import words
from core.neighbours.pursuit_records import PursuitSpec
from core.records import SweepSpec
from core.trace_records import TraceSpec
from pages.ui import address, cache, errors

TICK, WAITING, OTHERS = 0.4, 2.0, 5.0  # seconds between two looks: at what runs, what waits, what others wait for
SLOW_TICK = 1.0  # at what takes a browser long to draw
MOST_SHOWN = 6  # jobs of this session that the sidebar lists
FULL = "_queue_full"  # why the queue took no more, until the next look


def owner() -> str:
    """This session's name in the queue."""
    return str(st.session_state.setdefault("_owner", uuid4().hex))


def submit(*specs: SweepSpec, later: bool = False) -> None:
    """Queue sweeps for this session; those for ``later`` give way to work that somebody waits for."""
    for spec in specs:
        attack = spec.attack
        title = f"{words.attack_name(attack.attack)} on {words.model_name(attack.model)}"
        with if_there_is_room():
            cache.ask_for_sweep(spec, owner(), title, later=later)


@contextmanager
def if_there_is_room() -> Iterator[None]:
    """Queue work inside; where the line is full, the sidebar says so."""
    try:
        yield
    except LabError as error:
        st.session_state[FULL] = str(error)


def cancel(*specs: SweepSpec) -> None:
    """Give sweeps up for this session."""
    for spec in specs:
        cache.jobs().cancel(spec.digest, owner=owner())


def turn_to(spec: TraceSpec | PursuitSpec, page: str) -> bool:
    """Give up what this session last followed on a page, unless that is ``spec``; whether ``spec`` is new."""
    last = st.session_state.get(page)
    if last is not None and last != spec:
        cache.jobs().cancel(last.digest, owner=owner())
    st.session_state[page] = spec
    return bool(last != spec)


def run_if_linked(*specs: SweepSpec) -> None:
    """A link that names a position ε shows that position: run the sweeps at once, the first time."""
    if address.is_linked():
        submit(*specs)
        st.rerun()


def run_button(spec: SweepSpec) -> None:
    """Run, or Cancel while this session waits for the sweep."""
    job = cache.jobs().get(spec.digest)
    mine = job is not None and job.active and cache.jobs().owns(spec.digest, owner())
    done = job is not None and job.state == "done"
    run_or_cancel(
        "Run attack",
        run=partial(submit, spec),
        cancel=partial(cancel, spec) if mine else None,
        refusal="This sweep has been run; change a choice to run another." if done else "",
    )


def run_or_cancel(
    label: str, *, run: Callable[[], None], cancel: Callable[[], None] | None = None, refusal: str = ""
) -> None:
    """The button that starts a page's work; Cancel instead where there is something to ``cancel``.

    A ``refusal`` says why the work cannot be started now.
    """
    if cancel is not None:
        st.button("Cancel", icon=":material/stop:", key="cancel", on_click=cancel)
        return
    st.button(
        label,
        icon=":material/play_arrow:",
        type="primary",
        key="run",
        on_click=run,
        disabled=bool(refusal),
        help=refusal or None,
    )


def watch(
    draw: Callable[[], None],
    jobs: Callable[[], Iterable[cache.JobView | None]],
    *,
    place: str = "page",
    tick: float = TICK,
) -> None:
    """Draw what jobs make, again every ``tick`` seconds while one runs, more rarely while all wait.

    When one begins, and when all have ended, the whole page runs once more. ``place`` is for :func:`errors.shown`.
    """
    pace = _pace(jobs(), tick)

    def look() -> None:
        with errors.shown(place):
            if _pace(jobs(), tick) != pace:
                st.rerun()
            draw()

    st.fragment(look, run_every=pace)()


def _pace(jobs: Iterable[cache.JobView | None], tick: float) -> float | None:
    active = [job for job in jobs if job is not None and job.active]
    if not active:
        return None
    return tick if any(job.state == "running" for job in active) else WAITING


def queue() -> None:
    """Device and queue, for the sidebar; looks again by itself while there is work, rarely while it is all others'."""
    jobs = cache.jobs().active()
    mine = [job for job in jobs if cache.jobs().owns(job.key, owner())]
    st.fragment(_queue, run_every=_pace(mine, SLOW_TICK) or (OTHERS if jobs else None))()


def _queue() -> None:
    cache.jobs().present(owner())
    device = cache.lab().device
    st.badge(
        "GPU" if device.startswith("cuda") else "CPU", icon=":material/memory:", color="gray", help=f"Runs on {device}."
    )
    jobs = cache.jobs().active()
    shown = [job for job in jobs if job.position == 0 or cache.jobs().owns(job.key, owner())][:MOST_SHOWN]
    for job in shown:
        st.progress(job.progress, text=f"{job.title}: {progress_text(job)}")
    others = len(jobs) - len(shown)
    if others:
        st.caption(f"{others} more {'jobs wait' if others > 1 else 'job waits'}.")
    if FULL in st.session_state:
        errors.say(st.session_state.pop(FULL))


def progress_text(job: cache.JobView) -> str:
    """Where a job stands, in a few words."""
    if job.state == "waiting":
        place = "next in the queue" if job.position <= 1 else f"{job.position} jobs are before it"
        return place if job.seconds_left is None else f"{place}, about {max(1, round(job.seconds_left))} s"
    left = "" if job.seconds_left is None else f", about {max(1, round(job.seconds_left))} s left"
    return f"{job.progress:.0%}{left}"
