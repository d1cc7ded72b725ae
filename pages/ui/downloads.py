"""Files to take home, made when somebody asks for them."""

from collections.abc import Callable

import streamlit as st

KINDS = {  # by ending: what it is called, its type, its icon
    "csv": ("CSV", "text/csv", ":material/table:"),
    "html": ("HTML", "text/html", ":material/description:"),
    "png": ("PNG", "image/png", ":material/image:"),
    "npz": ("NPZ", "application/octet-stream", ":material/database:"),
    "pdf": ("PDF", "application/pdf", ":material/picture_as_pdf:"),
    "md": ("Markdown", "text/markdown", ":material/article:"),
    "tex": ("LaTeX", "application/x-tex", ":material/function:"),
    "gif": ("GIF", "image/gif", ":material/gif_box:"),
}


def button(what: str, ending: str, name: str, make: Callable[[], str | bytes], note: str | None = None) -> None:
    """A button that saves ``what`` as ``name.ending``; ``make`` is called on the click, not before."""
    kind, mime, icon = KINDS[ending]
    st.download_button(
        f"{what} ({kind})",
        make,
        file_name=f"{name}.{ending}",
        mime=mime,
        icon=icon,
        on_click="ignore",
        key=f"save-{what.lower()}-{ending}",
        help=note,
    )
