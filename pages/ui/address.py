"""The address as it was opened: links are checked against what there is, and what does not fit is said, not obeyed."""

import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import streamlit as st
from streamlit.errors import StreamlitAPIException

from core.figures.selection import is_selection
from pages.ui import errors

ARRIVED, NOTICES, NOTICED_AT, POSITION, LINKED = "_arrived", "_notices", "_noticed_at", "_position", "_linked"
GAMMA = "_gamma"
SELECTION, PAGE, TURNED = "_selection", "_page", "_turned"
HIGHEST = {"at": 1.0, "gamma": 1000.0}  # of a position ε, of a position γ
MOST_DIGITS = 9  # of a whole number; Python itself refuses to read one of thousands
IGNORED = "That was ignored; the page shows the usual choice."


def arrive() -> None:
    """Remember the parameters this session was opened with. Call before any widget."""
    if ARRIVED not in st.session_state:
        st.session_state[ARRIVED] = {key: st.query_params.get_all(key) for key in st.query_params}
        st.session_state[NOTICES] = []
        st.session_state[POSITION] = _arrive_position("at", "the position ε")
        st.session_state[GAMMA] = _arrive_position("gamma", "the position γ")
        _arrive_selection()


def carry(page: str, keys: Sequence[str]) -> None:
    """Take the choices ``keys`` along to another page. Call before any widget.

    Streamlit forgets a bound widget, and its place in the address, when its page is left after its first run.
    """
    st.session_state[TURNED] = st.session_state.setdefault(PAGE, page) != page
    st.session_state[PAGE] = page
    if st.session_state[TURNED]:
        for key in keys:
            if key in st.session_state:
                st.session_state[key] = st.session_state[key]


def _say_again(key: str) -> None:
    """On a page that was just turned to: put what the address said for a choice that came along back into it."""
    if st.session_state.get(TURNED) and arrived(key):
        with suppress(StreamlitAPIException):  # it is bound still, so Streamlit says it
            st.query_params[key] = arrived(key)  # and corrects it where something else was chosen since


def arrived(key: str) -> list[str]:
    """What the address said for ``key`` when the session was opened."""
    values: list[str] = st.session_state.get(ARRIVED, {}).get(key, [])
    return values


def came_by_link() -> bool:
    """Whether the address this session was opened with named anything."""
    return bool(st.session_state.get(ARRIVED))


def check_options(key: str, options: Sequence[Any], label: Callable[[Any], str], what: str) -> None:
    """Before the widget ``key`` is made: an option's plain name becomes its label; says which values are no option."""
    if key in st.session_state:
        _say_again(key)
        return
    asked = arrived(key)
    plain = {str(option): option for option in options}
    labels = {label(option) for option in options}
    wrong = [value for value in asked if value not in labels and value not in plain]
    if wrong:
        notice(f"{what} “{short(', '.join(wrong))}”, which is not one of {', '.join(label(o) for o in options)}")
    elif not labels.issuperset(asked):
        st.session_state[ARRIVED][key] = [label(plain[value]) if value in plain else value for value in asked]
        st.query_params[key] = st.session_state[ARRIVED][key]
        st.rerun()


def check_number(key: str, low: float, high: float, what: str, *, whole: bool = False, bound: bool = True) -> bool:
    """Before the widget ``key`` is made: whether the address names a usable number for it; says so if it is none.

    One that is not ``bound`` to a widget is read by nobody else.
    """
    if key in st.session_state:
        _say_again(key)
        return False
    if not arrived(key):
        return False
    text = arrived(key)[-1]
    try:
        number = int(text) if whole else float(text)
    except ValueError:
        number = float("nan")
    if low <= number <= high:
        return True
    kind = "a whole number" if whole else "a number"
    notice(f"{what} “{short(text)}”, which is not {kind} from {low:g} to {high:g}")
    if bound and key in st.query_params and not _is_finite(text):
        del st.query_params[key]  # Streamlit would read it for the widget, and fail
        st.rerun()
    return False


def _is_finite(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def remember(key: str, value: str) -> None:
    """Keep ``key`` in the address, which changing pages clears."""
    if st.query_params.get(key) != value:
        st.query_params[key] = value


def ask_for(at: float | None) -> None:
    """Open the next stage at this ε, as if the address had named it; with None, as usual."""
    st.session_state[POSITION] = at
    st.session_state[LINKED] = None


def is_linked() -> bool:
    """Whether somebody was sent to a position ε, which is to be shown at once; True the first time it is asked."""
    first = st.session_state.get(LINKED) is None and position() is not None
    st.session_state[LINKED] = True
    return first


def _arrive_position(key: str, what: str) -> float | None:
    return float(arrived(key)[-1]) if check_number(key, 0, HIGHEST[key], what, bound=False) else None


def _arrive_selection() -> None:
    text = (arrived("sel") or [""])[-1]
    if not is_selection(text):
        notice(f"the selection “{short(text)}”, which says nothing that can be selected")
    st.session_state[SELECTION] = text if is_selection(text) else ""


def choose(text: str) -> None:
    """Put a selection (:mod:`core.figures.selection`) into the address; what is none, or too long for a link, not."""
    if is_selection(text):
        st.session_state[SELECTION] = text
        if text:
            st.query_params["sel"] = text
        else:
            st.query_params.pop("sel", None)


def selection() -> str:
    """What is chosen on the stage, empty for nothing."""
    return str(st.session_state.get(SELECTION, ""))


def position(key: str = "at") -> float | None:
    """The ε at which the stage shall open, or with "gamma" the γ, if the address named a usable one."""
    value: float | None = st.session_state.get(POSITION if key == "at" else GAMMA)
    return value


def show_notices(state: str) -> None:
    """Say what of the address was not obeyed, until the ``state`` of the page changes."""
    if st.session_state.setdefault(NOTICED_AT, state) != state:
        st.session_state[NOTICES] = []
    notices = st.session_state.get(NOTICES, [])
    if notices:
        st.warning("  \n".join([*map(errors.plain, notices), IGNORED]), icon=":material/link_off:")


def notice(problem: str) -> None:
    """Say that the address asks for what cannot be had; shown by :func:`show_notices`."""
    text = f"The address asks for {problem}."
    notices = st.session_state.setdefault(NOTICES, [])
    if text not in notices:
        notices.append(text)


def whole(text: str) -> int | None:
    """The whole number from 0 that a text says; None for anything else, and for one that nothing here can be."""
    return int(text) if text.isdecimal() and len(text) <= MOST_DIGITS else None


def short(text: str) -> str:
    """Text of strangers: short, on one line, without the signs that Markdown reads."""
    plain = "".join(c for c in text if c.isalnum() or c in " .,_-+")
    return plain[:40]
