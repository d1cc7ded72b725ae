"""The app's own browser components, each registered once."""

from pathlib import Path

import streamlit as st

ASSETS = Path(__file__).parents[2] / "assets"
STAGE_PARTS = ("read", "pictures", "map", "tables", "curve", "main")  # one module, in this order

_stage = st.components.v2.component(
    "lab_stage",
    html='<div class="stage"></div>',
    css=(ASSETS / "stage" / "stage.css").read_text(encoding="utf-8"),
    js="\n".join((ASSETS / "stage" / f"{part}.js").read_text(encoding="utf-8") for part in STAGE_PARTS),
)


def _remember_epsilon() -> None:
    """Put the ε at which the hand came to rest into the address."""
    epsilon = st.session_state["stage"].get("epsilon")
    if isinstance(epsilon, int | float) and not isinstance(epsilon, bool) and 0 <= epsilon <= 1:
        st.query_params["at"] = f"{epsilon:g}"


def stage(buffer: bytes) -> None:
    """Pictures, map, matrices, scores and curve on one ε scrubber. The buffer is :func:`core.figures.stage.pack`'s."""
    _stage(key="stage", data=buffer, on_epsilon_change=_remember_epsilon)
