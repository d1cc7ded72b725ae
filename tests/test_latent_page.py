from types import SimpleNamespace

import pytest
import streamlit as st
from conftest import PROJECT, texts
from streamlit.testing.v1 import AppTest

from core.latent.tables import STEPS, LatentSources
from pages.ui import address, cache, components

SOON = 60


@pytest.fixture
def app(open_real_page):
    return open_real_page("latent")


def settle(app: AppTest) -> AppTest:
    """Run until the sweep is on the screen."""
    app.run()
    assert cache.jobs().join(SOON)
    return app.run()


def test_the_page_runs_by_itself_and_says_that_no_pixel_is_changed(app):
    settle(app)
    assert not app.exception
    assert not app.error
    assert "No pixel is changed here" in texts(app, "info")
    assert "says nothing of attacks on pixels" in texts(app, "info")
    assert "4 of 4 values of γ" in texts(app, "caption")
    assert app.get("bidi_component")
    assert [heading.value for heading in app.subheader] == [
        "Figure 1",
        "Attack, defense, re-attack",
        "What the paper says, and what we found",
    ]


def test_every_claim_has_a_verdict_a_number_and_a_command(app):
    settle(app)
    judged = [text.value for text in app.markdown if "badge[" in text.value and "**" in text.value]
    assert len(judged) == 8
    assert all("`python -m core " in text for text in judged)
    assert all(any(v in text for v in ("[held]", "[not held]", "[not testable here]")) for text in judged)


@pytest.mark.parametrize(("step", "model", "attack"), [
    ("attack", "conv_ae", "latent"), ("defense", "alrdc", "earlier_latent"), ("reattack", "alrdc", "latent"),
])  # fmt: skip
def test_a_step_is_a_model_and_the_networks_that_attack_it(app, real_lab, monkeypatch, step, model, attack):
    seen = []
    sweep = real_lab.sweep
    monkeypatch.setattr(real_lab, "sweep", lambda spec: seen.append(spec) or sweep(spec))
    app.query_params["lat_step"] = step
    settle(app)
    assert not app.exception
    assert {(spec.attack.model, spec.attack.attack, spec.attack.norm) for spec in seen} == {(model, attack, "gamma")}


def test_the_address_says_what_is_shown(app):
    app.query_params.update({"lat_step": STEPS[2], "n": "64", "seed": "3", "gamma": "60"})
    settle(app)
    assert not app.exception
    assert app.selectbox(key="n").value == 64
    assert app.number_input(key="seed").value == 3
    assert app.session_state[address.GAMMA] == 60


def test_a_wrong_address_is_said_and_not_obeyed(app):
    app.query_params.update({"lat_step": "nothing", "gamma": "-4", "lat_data": "noisy_digits"})
    settle(app)
    assert not app.exception
    said = texts(app, "warning")
    assert "nothing" in said
    assert "-4" in said
    assert "noisy_digits" in said


def test_where_the_hand_rested_goes_into_the_address(monkeypatch):
    monkeypatch.setattr(st, "session_state", {"stage": {"epsilon": 40}})
    monkeypatch.setattr(st, "query_params", {})
    components._remember_epsilon("stage", "gamma")
    assert st.query_params == {"gamma": "40"}
    components._remember_epsilon("stage")
    assert st.query_params == {"gamma": "40"}  # no ε is as large


def test_without_a_model_of_one_view_the_page_says_how_to_make_one(lab):
    app = AppTest.from_file(str(PROJECT / "app.py"), default_timeout=SOON).switch_page("pages/latent.py").run()
    assert not app.exception
    assert "python -m core train digits/conv_ae" in texts(app, "info")


def test_vectors_have_numbers_and_no_pictures(lab, monkeypatch):
    rows = LatentSources(models=(), attackers=(), stored=lambda *_: None).lines("reuters")
    room = SimpleNamespace(datasets=lambda: ("reuters",), lines=lambda dataset: rows)
    monkeypatch.setattr(type(lab), "latents", room)
    app = AppTest.from_file(str(PROJECT / "app.py"), default_timeout=SOON).switch_page("pages/latent.py").run()
    assert not app.exception
    assert "there is no picture to decode" in texts(app, "info")
    assert "python -m core latent reuters" in texts(app, "info")
    assert app.dataframe
    assert not app.get("bidi_component")
