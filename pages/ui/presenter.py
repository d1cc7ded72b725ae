"""Presenter mode: larger letters, controls put away, and the lecture's script stepped by arrow keys.

The address says ``present=1`` and, once the script is stepped, ``step``.
"""

import json
from functools import cache
from pathlib import Path
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.records import AttackSpec, SweepSpec
from pages.ui import address, defense_view, jobs_bar, links

SCRIPT = Path(__file__).parents[2] / "assets" / "guide" / "lecture.json"
LARGER = """<style>
html { font-size: 19px; }
.st-key-stage, .st-key-defense, .st-key-trace, .st-key-plane { zoom: 1.12; }
.st-key-present-say p { font-size: 1.3rem; line-height: 1.35; }
</style>"""
_ON, _STEP = "_presenting", "_lecture_step"


@cache
def script() -> list[dict[str, Any]]:
    """The steps of the lecture: title, say, notes, page, choices, at, minutes."""
    steps: list[dict[str, Any]] = json.loads(SCRIPT.read_text(encoding="utf-8"))
    return steps


def is_on() -> bool:
    """Whether this session presents; at first as the address says. Usable before the sidebar is drawn."""
    if _ON not in st.session_state:
        st.session_state[_ON] = st.query_params.get("present") == "1"
        step = address.whole(st.query_params.get("step", ""))
        st.session_state[_STEP] = step - 1 if step is not None and 1 <= step <= len(script()) else None
    return bool(st.session_state[_ON])


def start() -> None:
    """Begin the lecture at its first step; call from a widget's callback."""
    st.session_state[_ON] = True
    _go(0)


def stop() -> None:
    """Leave presenter mode; call from a widget's callback."""
    st.session_state[_ON] = False
    st.session_state[_STEP] = None
    for name in ("present", "step"):
        st.query_params.pop(name, None)


def controls() -> DeltaGenerator:
    """Where a page's controls go: put away while presenting."""
    return st.expander("Controls", icon=":material/tune:") if is_on() else st.container()


def bar() -> None:
    """The step on top of the page, with its buttons; → and ← step. Draws nothing unless this session presents."""
    if not is_on():
        return
    st.html(LARGER)
    address.remember("present", "1")
    at: int | None = st.session_state.get(_STEP)
    last = len(script()) - 1
    step = None if at is None else script()[at]
    with st.container(key="presenter", gap="xsmall"):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.button("Back", icon=":material/arrow_back:", key="present-back", shortcut="Left", disabled=not at,
                      on_click=_go, args=((at or 0) - 1,))  # fmt: skip
            st.button("Next", icon=":material/arrow_forward:", key="present-next", shortcut="Right", type="primary",
                      disabled=at == last, on_click=_go, args=(0 if at is None else at + 1,))  # fmt: skip
            st.markdown(
                "**Presenting**" if step is None else f"**{at + 1}/{last + 1} {step['title']}**", width="stretch"
            )
            if step is not None:
                address.remember("step", str(at + 1))
                with st.popover("Notes", icon=":material/sticky_note_2:"):
                    st.markdown(f"{step['notes']}\n\nAbout {step['minutes']:g} min.")
            st.button("Leave", icon=":material/close:", key="present-leave", type="tertiary", on_click=stop)
        with st.container(key="present-say"):
            st.markdown("→ starts the ten-minute lecture of the guide." if step is None else step["say"])


def _go(step: int) -> None:
    st.session_state[_STEP] = step
    _prepare(script()[step:])
    chosen = script()[step]
    links.go(chosen["page"], chosen["at"], chosen["choices"])


def _prepare(steps: list[dict[str, Any]]) -> None:
    """Queue every attack that is still to be shown, in order, so that no step waits for its own."""
    for step in steps:
        chosen = step["choices"]
        if step["page"] not in ("attack", "defense"):
            continue
        attack = AttackSpec(
            dataset=chosen["data"],
            model=chosen.get("model", ""),
            attack=chosen["attack"],
            epsilon=chosen["eps"],
            samples=chosen["n"],
            seed=chosen["seed"],
            steps=chosen["steps"],
            relative_step_size=chosen["size"],
            objective=chosen["goal"],
        )
        spec = SweepSpec(attack=attack)
        specs = defense_view.specs(defense_view.lineup(spec)) if step["page"] == "defense" else [spec]
        jobs_bar.submit(*specs, later=True)
