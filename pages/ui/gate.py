"""Who may start and stop trainings from a page: everybody, whoever knows the password, or nobody."""

import streamlit as st

from core.errors import LabError
from core.processes import OFF, check_password, password_needed, training_allowed
from pages.ui import errors

_OPEN, _TEXT, _WRONG = "_training_open", "tr_password", "_training_wrong"
LOCKED = "Training on this server needs its password."


def is_open() -> bool:
    """Whether this session may train."""
    return training_allowed() and (not password_needed() or bool(st.session_state.get(_OPEN)))


def check() -> None:
    """Raise :class:`LabError` unless this session may train."""
    if not is_open():
        raise LabError(LOCKED if training_allowed() else OFF)


def show() -> None:
    """Say why this session may not train, and ask for the password where there is one."""
    if is_open():
        return
    if not training_allowed():
        st.info(OFF, icon=":material/lock:")
        return
    st.info(LOCKED, icon=":material/lock:")
    st.text_input("Password", type="password", key=_TEXT, on_change=_try, max_chars=200, width=300)
    if _WRONG in st.session_state:
        errors.say(st.session_state.pop(_WRONG))


def _try() -> None:
    text = st.session_state.pop(_TEXT, "") or ""
    try:
        check_password(str(text))
        st.session_state[_OPEN] = True
    except LabError as error:
        st.session_state[_WRONG] = str(error)
