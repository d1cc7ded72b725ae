"""Train: say what to train and see what it will cost, start it, watch it, compare it, use it."""

import streamlit as st

from pages.ui import address, errors, shell, train_form, train_view

shell.enter()
notices = st.container()
with errors.shown("page"):
    spec = train_form.choose()
    train_form.start(spec)
    train_view.show()
    with notices:
        address.show_notices("" if spec is None else spec.digest)
