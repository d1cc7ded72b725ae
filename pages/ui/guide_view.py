"""The guide on the screen: the list of topics, a topic's text with its live control, glossary, sources, lecture."""

import json
from functools import cache as remember
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from pages.ui import address, cache, guide_live, links, presenter, tour
from pages.ui.guide_topics import FORMULAS, IDEAS, LIVE, TEXTS, TOPICS

DEPTHS = {"words": "In words", "formulas": "With formulas"}
STYLE = TEXTS / "guide.css"


def frame() -> DeltaGenerator:
    """Where list and text stand side by side."""
    st.html(STYLE)
    return st.container(horizontal=True, gap="medium", key="guide")


def pick() -> str:
    """The topic, picked in the list at the left; above the text where the window is narrow."""
    with st.container(key="guide-list", width=196):
        address.check_options("topic", list(TOPICS), _label, "the topic")
        picked = st.pills(
            "Topic", list(TOPICS), default="views", required=True, format_func=_label, key="topic",
            bind="query-params", label_visibility="collapsed",
        )  # fmt: skip
        with st.container(horizontal=True, gap="small"):
            st.button("Take the tour", icon=":material/tour:", key="guide-tour", on_click=tour.start, type="tertiary")
            st.button(
                "Present the lecture", icon=":material/co_present:", key="guide-present", on_click=presenter.start,
                type="tertiary",
            )  # fmt: skip
    return picked if picked in TOPICS else "views"


def show(topic: str) -> None:
    """A topic, with a way on to the next one, below what is to be said of the address."""
    with st.container(key="guide-text"):
        address.show_notices(topic)
        if topic in IDEAS:
            _idea(topic)
        elif topic == "glossary":
            _glossary()
        elif topic == "lecture":
            _lecture()
        elif topic == "findings":
            _findings()
        else:
            st.markdown(text(topic))
        _onwards(topic)


@remember
def text(topic: str) -> str:
    """The text of a topic, Markdown."""
    return (TEXTS / f"{topic}.md").read_text(encoding="utf-8")


@remember
def glossary() -> list[tuple[str, str, str]]:
    """Word, meaning, topic, in alphabetical order."""
    words = json.loads((TEXTS / "glossary.json").read_text(encoding="utf-8"))
    return sorted((tuple(row) for row in words), key=lambda row: row[0].casefold())


def _label(topic: str) -> str:
    return TOPICS[topic].name


def _idea(topic: str) -> None:
    plain, _, formulas = text(topic).partition(FORMULAS)
    title, _, body = plain.partition("\n")
    before, _, after = body.partition(LIVE)
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.markdown(title, width="content")
        deep = _pick_depth() == "formulas"
    st.markdown(before)
    if LIVE in plain:
        with st.container(border=True):
            guide_live.show(topic)
        st.markdown(after)
    if deep:
        st.divider()
        st.markdown(formulas)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown("**See it live**", width="content")
        for i, see in enumerate(TOPICS[topic].see):
            links.see(see.page, f":primary[{see.label}]", key=f"{topic}-{i}", at=see.at, **see.choices)


def _pick_depth() -> str:
    address.check_options("depth", list(DEPTHS), DEPTHS.__getitem__, "the depth")
    picked = st.segmented_control(
        "Depth", list(DEPTHS), format_func=DEPTHS.__getitem__, default="words", required=True, key="depth",
        bind="query-params", label_visibility="collapsed", width="content",
    )  # fmt: skip
    return picked if picked in DEPTHS else "words"


def _glossary() -> None:
    st.markdown("# Glossary")
    wanted = st.text_input(
        "Find a word", key="word", bind="query-params", placeholder="matching, ε, NMI …", icon=":material/search:"
    )
    found = [row for row in glossary() if (wanted or "").casefold().strip() in f"{row[0]} {row[1]}".casefold()]
    if not found:
        st.info(
            f"None of the {len(glossary())} entries has that word. Try a shorter one.", icon=":material/search_off:"
        )
    letters = sorted({_letter(word) for word, *_ in found})
    if not wanted:
        st.markdown(" · ".join(f"[{letter}](#letter-{letter.lower()})" for letter in letters))
    for letter in letters:
        st.subheader(letter, anchor=f"letter-{letter.lower()}", divider="gray")
        lines = [_entry(*row) for row in found if _letter(row[0]) == letter]
        st.markdown("\n\n".join(lines))


def _entry(word: str, meaning: str, topic: str) -> str:
    return f"**{word}**  \n{meaning} [{TOPICS[topic].name}](guide?topic={topic})"


def _letter(word: str) -> str:
    return word[0].upper()


def _findings() -> None:
    st.markdown(text("findings"))
    for title, sentences in cache.findings().items():
        st.subheader(title, anchor=False)
        st.markdown("\n".join(f"- {sentence}" for sentence in sentences))
    links.see("tables", "Every cell and its evidence", key="findings-tables")


def _lecture() -> None:
    steps = presenter.script()
    minutes = sum(step["minutes"] for step in steps)
    st.markdown(
        f"# A lecture of {minutes:g} minutes\n\nEverything is shown live, on data and models that come with the lab, "
        "with no network. While presenting, letters are larger, controls are put away, and → and ← step through this "
        "script. Notes for the lecturer open with a click. The sentence below the slider says the numbers."
    )
    st.button("Start presenting", icon=":material/co_present:", type="primary", key="lecture", on_click=presenter.start)
    clock = 0.0
    for number, step in enumerate(steps, start=1):
        with st.container(border=True):
            st.markdown(_step_text(number, step, clock))
            links.see(step["page"], "Open", key=f"lecture-{number}", at=step["at"], **step["choices"])
        clock += step["minutes"]


def _step_text(number: int, step: dict[str, Any], clock: float) -> str:
    minute, second = divmod(round(60 * clock), 60)
    return f"**{number}. {step['title']}** :gray[{minute}:{second:02d}]\n\n“{step['say']}”\n\n:gray[{step['notes']}]"


def _onwards(topic: str) -> None:
    names = list(TOPICS)
    at = names.index(topic)
    st.divider()
    with st.container(horizontal=True, horizontal_alignment="distribute"):
        if at:
            _turn(names[at - 1], ":material/arrow_back:", "back", "left")
        if at + 1 < len(names):
            _turn(names[at + 1], ":material/arrow_forward:", "on", "right")


def _turn(topic: str, icon: str, key: str, side: str) -> None:
    st.button(TOPICS[topic].name, icon=icon, key=f"guide-{key}", on_click=_open, args=(topic,), icon_position=side)


def _open(topic: str) -> None:
    st.session_state["topic"] = topic
