"""The Adversarial Clustering Lab in the browser: ``streamlit run app.py``."""

import streamlit as st

from pages.ui import links, presenter, shell, strangers

strangers.refuse()
presenting = presenter.is_on()
st.set_page_config(layout="wide", initial_sidebar_state="collapsed" if presenting else 272)
page = links.navigation()
st.set_page_config(page_title=f"{page.title} · Adversarial Clustering Lab")
shell.sidebar(page.url_path or links.HOME)
presenter.bar()
page.run()
