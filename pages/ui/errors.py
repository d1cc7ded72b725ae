"""No traceback on a page: a LabError is shown in its own words, the rest in one sentence and in full in the log."""

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st

from core.errors import LabError

LONGEST = 600  # characters of a sentence
_SIGNS = re.compile(r"[\\`*\[\]<>$!~|#&]")  # what Markdown, HTML and formulas begin with
_LINK = re.compile(r"(?i)www(?=\.)|https?:(?=//)|(?=@)")  # what becomes a link by itself, though signs are escaped
_NOTHING = "\u2060"  # has no width, and no line breaks at it
_PATH = re.compile(r"(?<![\w./~…])(?:/[^\s/:,;'\"]+)+(/[^\s/:,;'\"]+/[^\s/:,;'\"]+)")

log = logging.getLogger(__name__)


def plain(text: str) -> str:
    """A sentence that may hold words of strangers, as Markdown that shows it as it is, on one line and not too long.

    Of a path on this machine only the end is told: visitors learn which file is meant, not where the lab lies.
    """
    short = _PATH.sub(r"…\1", " ".join(text.split()))[:LONGEST]
    return _LINK.sub(rf"\g<0>{_NOTHING}", _SIGNS.sub(r"\\\g<0>", short))


def say(text: str) -> None:
    """Show what is wrong."""
    st.error(plain(text), icon=":material/error:")


@contextmanager
def shown(what: str) -> Iterator[None]:
    """Show what goes wrong inside; ``what`` names it, as in "The page failed"."""
    try:
        yield
    except LabError as error:
        say(str(error))
    except Exception:
        log.exception("The %s failed", what)
        say(f"The {what} failed; the server's log says why. Other choices should still work.")
