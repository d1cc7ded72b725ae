"""No traceback on a page: a LabError is shown in its own words, the rest in one sentence and in full in the log."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st

from core.errors import LabError

log = logging.getLogger(__name__)


@contextmanager
def shown(what: str) -> Iterator[None]:
    """Show what goes wrong inside; ``what`` names it, as in "The page failed"."""
    try:
        yield
    except LabError as error:
        st.error(str(error), icon=":material/error:")
    except Exception:
        log.exception("The %s failed", what)
        st.error(
            f"The {what} failed; the server's log says why. Other choices should still work.", icon=":material/error:"
        )
