import pytest
import streamlit as st
from conftest import PROJECT, texts
from streamlit.testing.v1 import AppTest

from pages.ui import cache, presenter

SOON = 20


@pytest.fixture
def app(lab, monkeypatch):
    monkeypatch.setattr(st, "switch_page", lambda page, **_: None)  # AppTest cannot, from a callback
    return AppTest.from_file(str(PROJECT / "app.py"), default_timeout=SOON)


def test_nothing_presents_unless_asked(app):
    app.run()
    assert "Controls" not in [expander.label for expander in app.expander]
    assert not [button for button in app.button if button.key == "present-next"]


def test_presenting_puts_the_controls_away_and_steps_the_script(app):
    app.query_params["present"] = "1"
    app.run()
    assert "Controls" in [expander.label for expander in app.expander]
    assert "starts the ten-minute lecture" in texts(app)
    app.button(key="present-next").click().run()
    assert f"1/{len(presenter.script())}" in texts(app)
    assert presenter.script()[0]["say"] in texts(app)
    assert app.button(key="present-back").disabled
    app.button(key="present-next").click().run()
    assert presenter.script()[1]["say"] in texts(app)
    assert "2" in app.query_params["step"]
    assert not app.exception


def test_no_step_of_the_lecture_waits_for_its_attack(app):
    app.query_params["present"] = "1"
    app.run()
    app.button(key="present-next").click().run()
    assert cache.jobs().join(SOON)
    for step in presenter.script()[1:]:
        app.button(key="present-next").click().run()
        if step["page"] in ("attack", "defense"):
            app.switch_page(f"pages/{step['page']}.py").run()
            assert app.button(key="run").disabled, step["title"]


def test_a_link_opens_the_script_where_its_sender_was(app):
    app.query_params.update({"present": "1", "step": "3"})
    app.run()
    assert presenter.script()[2]["say"] in texts(app)


@pytest.mark.parametrize("step", ["0", "999", "x", "-1"])
def test_a_step_that_is_not_there_is_ignored(app, step):
    app.query_params.update({"present": "1", "step": step})
    app.run()
    assert "starts the ten-minute lecture" in texts(app)
    assert not app.exception


def test_leaving_brings_the_controls_back(app):
    app.query_params.update({"present": "1", "step": "2"})
    app.run()
    app.button(key="present-leave").click().run()
    assert "Controls" not in [expander.label for expander in app.expander]
    assert "present" not in app.query_params
