"""The Adversarial Clustering Lab in the browser: ``streamlit run app.py``."""

import streamlit as st

from pages.ui import presenter, shell
from pages.ui.links import PAGES

presenting = presenter.is_on()
st.set_page_config(
    page_title="Adversarial Clustering Lab",
    page_icon="assets/icon.svg",
    layout="wide",
    initial_sidebar_state="collapsed" if presenting else 272,
)
sections: dict[str, list[st.Page]] = {}
for name, facts in PAGES.items():
    page = st.Page(f"pages/{name}.py", title=facts.title, icon=facts.icon, help=facts.help, default=name == "attack")
    sections.setdefault(facts.section, []).append(page)
page = st.navigation(sections)
shell.sidebar(page.url_path or "attack")
presenter.bar()
page.run()
