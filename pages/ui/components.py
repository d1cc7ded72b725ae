"""The app's own browser components, each registered once: plain JavaScript, joined into one module a component."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import streamlit as st

from pages.ui import address

ASSETS = Path(__file__).parents[2] / "assets"
COMMON = ("parts/read", "parts/export")
PICTURES = ("parts/pixels", "parts/scrubber", "parts/names")
DRAWING = (*PICTURES, "parts/map", "parts/matrix", "parts/plot", "parts/selection")
SCRIPTS = {  # the files of each component, in the order in which they are joined
    "stage": (*COMMON, *DRAWING, "stage/pictures", "stage/flow", "stage/curve", "stage/main"),
    "defense": (*COMMON, *DRAWING, "defense/strip", "defense/lines", "defense/column", "defense/main"),
    "steps": (*COMMON, *PICTURES, "steps/pictures", "steps/bars", "steps/path", "steps/charts", "steps/main"),
    "glimpse": ("parts/read", "parts/pixels", "parts/scrubber", "glimpse/main"),
    "tour": ("parts/read", "tour/main"),
    "sheet": ("parts/read", "parts/pixels", "sheet/main"),
    "strip": ("parts/read", "parts/pixels", "strip/main"),
    "tables": ("parts/read", "tables/main"),
    "pad": ("parts/read", "pad/main"),
    "plane": (*COMMON, "parts/scrubber", "plane/network", "plane/column", "plane/main"),
    "probe": (*COMMON, *PICTURES, "parts/map", "probe/around", "probe/main"),
}


def script(name: str) -> str:
    """The JavaScript of a component, one module with a default export."""
    return "\n".join((ASSETS / f"{part}.js").read_text(encoding="utf-8") for part in SCRIPTS[name])


def style(name: str) -> str:
    """The style sheet of a component: what all share, then its own."""
    paths = (ASSETS / "parts" / "parts.css", ASSETS / name / f"{name}.css")
    return "\n".join(path.read_text(encoding="utf-8") for path in paths if path.is_file())


def _component(name: str) -> Callable[..., Any]:
    return st.components.v2.component(
        f"lab_{name}", html=f'<div class="lab {name}"></div>', css=style(name), js=script(name)
    )


_stage = _component("stage")
_defense = _component("defense")
_steps = _component("steps")
_strip = _component("strip")
_sheet = _component("sheet")
_tables = _component("tables")
_pad = _component("pad")
_probe = _component("probe")
_plane = _component("plane")


def _remember_selection() -> None:
    """Put what is chosen into the address."""
    address.choose(str(st.session_state["stage"].get("selection") or ""))


def _remember_epsilon(key: str = "stage", place: str = "at") -> None:
    """Put where the hand came to rest on the component ``key`` into the address: an ε at "at", a γ at "gamma"."""
    epsilon = st.session_state[key].get("epsilon")
    if isinstance(epsilon, int | float) and not isinstance(epsilon, bool) and 0 <= epsilon <= address.HIGHEST[place]:
        st.query_params[place] = f"{epsilon:g}"


def stage(buffer: bytes, watch: Callable[[], None], place: str = "at") -> None:
    """Pictures, map, matrices, flow and scores on one scrubber. The buffer is :func:`core.figures.stage.pack`'s.

    ``place`` is the key of the address that says where the scrubber rests. ``watch`` is called when somebody wants to
    see a sample step by step; ``watched`` says which.
    """
    _stage(
        key="stage",
        data=buffer,
        on_epsilon_change=lambda: _remember_epsilon("stage", place),
        on_selection_change=_remember_selection,
        on_watch_change=watch,
    )


def defense(buffer: bytes) -> None:
    """Models in columns on one ε scrubber. The buffer is :func:`core.figures.defense.pack`'s."""
    _defense(key="defense", data=buffer, on_epsilon_change=lambda: _remember_epsilon("defense"))


def watched() -> int | None:
    """The place in the data set of the sample that is to be seen step by step."""
    sample = st.session_state["stage"].get("watch")
    return sample if isinstance(sample, int) and sample >= 0 else None


def steps(buffer: bytes, remember: Callable[[], None]) -> None:
    """PGD step by step on an iteration scrubber. The buffer is :func:`core.figures.steps.pack`'s.

    ``remember`` is called when the hand came to rest; :func:`iteration` says where.
    """
    _steps(key="trace", data=buffer, on_iteration_change=remember)


def iteration() -> int | None:
    """The iteration at which the hand came to rest: -1 for the clean sample."""
    number = st.session_state["trace"].get("iteration")
    return number if isinstance(number, int) and not isinstance(number, bool) else None


def sheet(buffer: bytes, key: str) -> None:
    """A sheet of pictures, pixel for pixel. The buffer is :func:`core.figures.gallery.pack`'s."""
    _sheet(key=key, data=buffer)


def strip(buffer: bytes, choose: Callable[[], None]) -> None:
    """Pictures of samples to choose from. The buffer is :func:`core.figures.steps.pack_choice`'s.

    ``choose`` is called when somebody chooses; :func:`picked` says what.
    """
    _strip(key="strip", data=buffer, on_samples_change=choose)


def picked() -> list[int]:
    """The places in the data set of the samples that were chosen from the strip."""
    samples = st.session_state["strip"].get("samples")
    return [s for s in samples if isinstance(s, int)] if isinstance(samples, list) else []


def tables(data: dict[str, Any], choose: Callable[[], None]) -> None:
    """A table of the paper, :func:`core.figures.tables.screen`'s.

    ``choose`` is called when somebody chooses a cell; :func:`chosen_cell` says which.
    """
    _tables(key="paper", data=data, on_cell_change=choose)


def chosen_cell() -> str:
    """The cell of the table that was chosen last, empty for none."""
    return str(st.session_state["paper"].get("cell") or "")


_glimpse, _tour = _component("glimpse"), _component("tour")


def glimpse(buffer: bytes) -> None:
    """A few samples under several attacks on one ε scrubber. The buffer is :func:`core.figures.glimpse.pack`'s."""
    _glimpse(key="glimpse", data=buffer)


def tour(data: dict[str, Any]) -> None:
    """Cards that stand beside the controls they speak of; ``data`` is :mod:`pages.ui.tour`'s."""
    _tour(key="tour", data=data)


def pad(key: str, start: Any, remember: Callable[[], None]) -> None:
    """A drawing of 28 × 28 grey values that begins with ``start``, 784 of them or None.

    ``remember`` is called when a stroke has ended; :func:`drawn` has the values.
    """
    _pad(key=key, data={"start": start}, on_drawing_change=remember)


def drawn(key: str) -> Any:
    """What the pad ``key`` says is drawn on it: whatever a browser may send."""
    return st.session_state[key].get("drawing")


def probe(buffer: bytes) -> None:
    """One's own samples on an ε scrubber, or the clusters they may fall into. The buffer is of core.figures.probe."""
    _probe(key="probe", data=buffer)


def plane(buffer: bytes, remember: Callable[[], None]) -> None:
    """Trainings in the plane, and a point to drag. The buffer is :func:`core.figures.plane.pack`'s.

    ``remember`` is called when the point came to rest; :func:`plane_point` says where.
    """
    _plane(key="plane", data=buffer, on_point_change=remember)


def plane_point() -> tuple[float, float] | None:
    """Where the point of the plane came to rest, in the unit square."""
    point = st.session_state["plane"].get("point")
    if not isinstance(point, list) or len(point) != 2:
        return None
    if not all(isinstance(v, int | float) and not isinstance(v, bool) and 0 <= v <= 1 for v in point):
        return None
    return float(point[0]), float(point[1])
