"""The tour of the Attack page: five stops in sixty seconds. It comes once by itself, but not to a link."""

import json
import time
from functools import cache
from typing import Any

import streamlit as st

from pages.ui import address, components, links, presenter
from pages.ui.guide_topics import TEXTS

_ASKED = "_tour_asked"


@cache
def cards() -> list[dict[str, str]]:
    """The stops: title, text, and the control each points at, as a selector (``inside`` a component's own part)."""
    stops: list[dict[str, str]] = json.loads((TEXTS / "tour.json").read_text(encoding="utf-8"))
    return stops


def start() -> None:
    """Take the tour; call from a widget's callback."""
    st.session_state[_ASKED] = str(time.time_ns())
    links.go("attack", None, {})


def show() -> None:
    """Offer the tour on this page. The browser remembers whether it has been seen; it never comes while presenting."""
    if presenter.is_on():
        return
    asked: Any = st.session_state.get(_ASKED, "")
    components.tour({"cards": cards(), "first": not address.came_by_link(), "asked": asked})
