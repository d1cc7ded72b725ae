"""The Adversarial Clustering Lab in the browser: ``streamlit run app.py``."""

import streamlit as st

from pages.ui import shell

st.set_page_config(
    page_title="Adversarial Clustering Lab",
    page_icon="assets/icon.svg",
    layout="wide",
    initial_sidebar_state=272,
)
page = st.navigation(
    {
        "Lab": [
            st.Page(
                "pages/attack.py",
                title="Attack",
                icon=":material/bolt:",
                help="Attack a clustering model and scrub the budget ε: pictures, map, matrices and scores follow.",
                default=True,
            )
        ]
    }
)
shell.sidebar()
page.run()
