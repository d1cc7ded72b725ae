"""The pages and the ways between them: a link takes the choices along, so that the other page opens ready."""

from dataclasses import dataclass
from typing import Any

import streamlit as st

from pages.ui import address


@dataclass(frozen=True)
class PageFacts:
    """A page in the navigation; ``picks`` are the sidebar's choices that it reads."""

    section: str
    title: str
    icon: str
    help: str
    picks: tuple[str, ...] = ()


HOME = "attack"
PAGES = {
    "attack": PageFacts(
        "Lab",
        "Attack",
        ":material/bolt:",
        "Attack a clustering model and scrub the budget ε: pictures, map, matrices and scores follow.",
        ("data", "model"),
    ),
    "defense": PageFacts(
        "Lab",
        "Defense",
        ":material/shield:",
        "The same attack on an undefended and on the defended models, side by side.",
        ("data",),
    ),
    "steps": PageFacts(
        "Lab",
        "Steps",
        ":material/footprint:",
        "One sample on its way through PGD: where it crosses into another cluster.",
        ("data", "model"),
    ),
    "gallery": PageFacts(
        "Lab",
        "Gallery",
        ":material/grid_on:",
        "Clean, noisy and adversarial pictures of every model, as in Appendix A.7 of the paper.",
        ("data",),
    ),
    "tables": PageFacts(
        "Papers",
        "Tables",
        ":material/table_chart:",
        "The paper's tables, ours beside theirs, each number with evidence.",
    ),
    "latent": PageFacts(
        "Papers",
        "Latent",
        ":material/blur_on:",
        "ALRDC: move the latent of a clustering network, and harden it; no pixel is changed.",
    ),
    "certify": PageFacts(
        "Papers",
        "Certify",
        ":material/workspace_premium:",
        "ClusTR: a class by the nearest centre, its certificate, and the attacks that its table left out.",
    ),
    "neighbours": PageFacts(
        "Papers",
        "Neighbours",
        ":material/hub:",
        "NCP-ACL: push a sample toward a neighbouring cluster of its representation, and train against it.",
    ),
    "train": PageFacts(
        "Make",
        "Train",
        ":material/model_training:",
        "Start, watch, stop and compare trainings of models and attackers.",
    ),
    "your_data": PageFacts(
        "Make",
        "Your data",
        ":material/draw:",
        "Draw or upload your own pictures, see their clusters, attack them.",
        ("data", "model"),
    ),
    "guide": PageFacts(
        "Guide", "Guide", ":material/menu_book:", "The ideas, with and without formulas, each bound to a live control."
    ),
}


def navigation() -> st.Page:
    """The page that is open, of all in PAGES."""
    st.set_page_config(page_icon="assets/icon.svg")  # else the browser asks fonts.gstatic.com for the icon of the page
    sections: dict[str, list[st.Page]] = {}
    for name, facts in PAGES.items():
        home = name == HOME
        page = st.Page(
            f"pages/{name}.py",
            title=facts.title,
            icon=facts.icon,
            help=facts.help,
            default=home,
            url_path="start" if home else name,  # it opens at /, and leaves its own name to the way there
        )
        sections.setdefault(facts.section, []).append(page)
    sections[PAGES[HOME].section].append(st.Page(_go_home, url_path=HOME, visibility="hidden"))
    page = st.navigation(sections)
    if page.url_path == HOME:
        page.run()  # at once: what the address says cannot be taken along once a widget holds it
    return page


def _go_home() -> None:
    st.switch_page(f"pages/{HOME}.py", query_params=st.query_params.to_dict())


def see(page: str, label: str, *, key: str, at: float | None = None, note: str | None = None, **choices: Any) -> None:
    """A link to ``page`` (a name in PAGES) with its controls set.

    ``choices`` are values by widget key: data, model, attack, eps, n, seed, map, views, steps, size, goal. With ``at``,
    the position ε, the page runs at once what it shows.
    """
    st.button(
        label,
        key=f"see-{key}",
        icon=PAGES[page].icon,
        type="tertiary",
        help=note,
        on_click=go,
        args=(page, at, choices),
    )


def go(page: str, at: float | None, choices: dict[str, Any]) -> None:
    """Open ``page`` with its controls set; call from a widget's callback."""
    for key, value in choices.items():
        st.session_state[key] = value
    address.ask_for(at)
    st.switch_page(f"pages/{page}.py", query_params={})  # without it, keys bound to widgets make it fail
