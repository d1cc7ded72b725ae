"""What stands around every page: logo, choices shared by all pages, device and queue."""

import streamlit as st

from pages.ui import address, cache, components, errors, jobs_bar, links, pickers, pins
from pages.ui.links import PAGES
from pages.ui.pickers import Target

_ROUTED, _TARGET = "_routed", "_target"
NOTHING_YET = (
    "There is no trained model yet. Make the smallest one, about a minute on a laptop, and reload this page:\n\n"
    "```\npython -m core train noisy_digits/cl_mvc\n```"
)


def sidebar(page: str) -> None:
    """Draw the sidebar of a page in PAGES; what is picked there is :func:`target`'s."""
    st.html(components.ASSETS / "controls.css")
    st.logo("assets/logo.svg", size="large", icon_image="assets/icon.svg")
    address.arrive()
    address.carry(page, pickers.CHOICES)
    pins.pinned()  # so that what the address pins wrongly is said on top
    st.session_state[_ROUTED] = True
    st.session_state[_TARGET] = None
    with st.sidebar, errors.shown("sidebar"):
        if PAGES[page].picks:
            st.session_state[_TARGET] = pickers.target(pick_model="model" in PAGES[page].picks)
        _problems()
        jobs_bar.queue()


def enter() -> None:
    """Every page begins here: one that is opened before app.py ever ran on this server starts over through it.

    Streamlit runs a file in pages/ on its own until ``st.navigation`` has been called once.
    """
    if not st.session_state.pop(_ROUTED, False):
        links.navigation()
        st.rerun()


def target() -> Target | None:
    """What is picked in the sidebar; where there is nothing to pick, says how to change that."""
    enter()
    chosen: Target | None = st.session_state[_TARGET]
    if chosen is None:
        st.info(NOTHING_YET, icon=":material/model_training:")
    return chosen


def _problems() -> None:
    problems = cache.lab().problems()
    if problems:
        with st.expander(f"{len(problems)} checkpoint{'s'[: len(problems) != 1]} left out", icon=":material/warning:"):
            for problem in problems:
                st.caption(errors.plain(problem))
