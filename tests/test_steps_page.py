import json

import pytest
import streamlit as st
from conftest import PROJECT, texts
from fake_lab import FakeLab
from streamlit.testing.v1 import AppTest

from core.errors import LabError
from pages.ui import cache, components

SOON = 30


@pytest.fixture
def traced(lab, monkeypatch):
    """The specs of the traces that were begun."""
    seen = []
    monkeypatch.setattr(lab, "trace", lambda spec: seen.append(spec) or FakeLab.trace(lab, spec))
    return seen


def begin() -> AppTest:
    return AppTest.from_file(str(PROJECT / "app.py"), default_timeout=SOON).switch_page("pages/steps.py")


def open_page(state=()) -> AppTest:
    """The page as another page's link opens it, which has set some of the session's state."""
    app = begin()
    for key, value in dict(state).items():
        app.session_state[key] = value
    return settle(app.run())


def open_link(**query) -> AppTest:
    """The page as somebody opens it who was sent its address."""
    app = begin()
    app.query_params.update(query)
    return settle(app.run())


def settle(app: AppTest) -> AppTest:
    assert cache.jobs().join(SOON)
    return app.run()


def test_the_page_follows_a_sample_without_being_asked(lab, traced):
    app = open_page()
    assert not app.exception
    assert not app.error
    assert "20 steps of PGD on 1 sample in" in texts(app, "caption")
    assert len(app.get("bidi_component")) == 2
    assert len(traced) == 1


def test_the_first_sample_is_the_first_that_the_seed_draws(lab, traced, monkeypatch):
    offered = []
    monkeypatch.setattr(lab, "sweep", lambda spec: offered.append(spec) or FakeLab.sweep(lab, spec))
    open_page()
    drawn = next(FakeLab.sweep(lab, offered[0])).subject.index
    assert len(drawn) == 20
    assert traced[0].samples == (drawn[0],)


def test_a_change_of_the_controls_follows_anew(lab, traced):
    app = open_page()
    app.number_input(key="steps").set_value(5)
    app.number_input(key="eps").set_value(0.1)
    app.number_input(key="size").set_value(0.5)
    app.selectbox(key="goal").set_value("assignment")
    app.pills(key="views").set_value(["original"]).run()
    settle(app)
    spec = traced[-1]
    assert (spec.steps, spec.epsilon, spec.objective, spec.views) == (5, 0.1, "assignment", (0,))
    assert spec.relative_step_size == 0.5
    assert "A step changes each pixel by 0.05." in texts(app, "caption")
    assert "5 steps of PGD" in texts(app, "caption")


def test_the_address_chooses_samples_and_knobs(lab, traced):
    app = open_link(sample=["950", "944"], steps="7", eps="0.2", seed="4", model="AR-DMVC-AM")
    spec = traced[-1]
    assert spec.samples == (950, 944)
    assert (spec.model, spec.steps, spec.epsilon, spec.seed) == ("ar_dmvc_am", 7, 0.2, 4)
    assert not app.warning
    assert app.query_params["sample"] == ["950", "944"]


def test_another_page_can_send_somebody_to_a_sample(lab, traced):
    app = open_page(state={"sample": [944], "eps": 0.25})
    assert traced[-1].samples == (944,)
    assert traced[-1].epsilon == 0.25
    assert app.query_params["sample"] == "944"


def test_no_more_than_four_samples_are_followed(lab, traced):
    open_page(state={"sample": [950, 951, 952, 953, 954, 950]})
    assert traced[-1].samples == (950, 951, 952, 953)


def test_a_training_sample_is_refused_in_words_and_another_can_be_chosen(lab):
    app = open_page(state={"sample": [12]})
    assert "Sample 12 of noisy_digits is in the part that models are trained on." in texts(app, "error")
    assert len(app.get("bidi_component")) == 1
    app.button(key="another").click().run()
    settle(app)
    assert not app.error
    assert len(app.get("bidi_component")) == 2


@pytest.mark.parametrize("wrong", ["1797", "-3", "3.5", "<b>nine</b>", ""])
def test_a_sample_that_is_none_is_ignored_and_said(lab, traced, wrong):
    app = open_link(sample=[wrong])
    assert "which is not a whole number from 0 to 1796" in texts(app, "warning")
    assert len(traced[-1].samples) == 1
    assert not app.error


def test_an_iteration_that_is_none_is_ignored_and_said(lab):
    app = open_link(t="700")
    assert "the iteration “700”" in texts(app, "warning")


def test_samples_of_another_data_set_are_forgotten(lab, traced):
    app = open_page(state={"sample": [950]})
    app.selectbox(key="data").set_value("synthetic_people").run()
    settle(app)
    assert texts(app, "error") == ""
    assert traced[-1].dataset == "synthetic_people"
    assert traced[-1].samples != (950,)
    assert "sample" not in app.query_params


def test_the_same_trace_runs_once_for_everybody(lab, traced):
    open_page()
    open_page()
    assert len(traced) == 1


def test_what_is_no_longer_wanted_is_given_up(lab):
    lab.pace = 3.0
    app = begin().run()
    first = [job.key for job in cache.jobs().active()]
    app.number_input(key="steps").set_value(5).run()
    assert len(first) == 1
    assert cache.jobs().get(first[0]).state == "cancelled"
    lab.pace = 0.0
    cache.jobs().join(SOON)


def test_a_failed_trace_says_so_and_can_be_tried_again(lab, monkeypatch):
    def refuse(spec):
        raise LabError("The weights are gone.")

    monkeypatch.setattr(lab, "trace", refuse)
    app = open_page()
    assert texts(app, "error") == "The weights are gone."
    monkeypatch.undo()
    monkeypatch.setattr(cache, "Lab", lambda: lab)
    app.button(key="again").click().run()
    settle(app)
    assert not app.error
    assert "20 steps of PGD" in texts(app, "caption")


def test_no_view_to_attack_is_said(lab):
    app = open_page()
    app.pills(key="views").set_value([]).run()
    assert texts(app, "error") == "Choose at least one view to attack."


def test_objectives_that_need_a_batch_are_not_offered(lab, monkeypatch):
    monkeypatch.setattr(lab, "objectives", lambda *names: ("both", "contrastive"))
    app = open_page()
    assert list(app.selectbox(key="goal").options) == ["both"]


def test_umap_is_made_in_the_background(lab):
    app = open_page()
    app.segmented_control(key="map").set_value("umap").run()
    settle(app)
    assert not app.exception
    assert "being fitted" not in texts(app, "caption")
    assert cache.jobs().get(next(key for key in cache.jobs()._jobs if key.startswith("umap"))).state == "done"


def test_the_numbers_and_the_pictures_can_be_taken_home(lab):
    app = open_page()
    assert {button.label for button in app.get("download_button")} >= {"Steps (CSV)", "Pictures (GIF)"}


def test_the_same_attack_on_many_samples_is_a_click_away(lab, monkeypatch):
    gone = []
    monkeypatch.setattr(st, "switch_page", lambda page, **options: gone.append(page))
    app = open_page(state={"eps": 0.15, "views": ["original"]})
    app.button(key="see-steps-attack").click().run()
    assert gone == ["pages/attack.py"]
    state = {key: app.session_state[key] for key in ("attack", "eps", "steps", "size", "views", "goal")}
    assert state == {"attack": "pgd", "eps": 0.15, "steps": 20, "size": None, "views": ["original"], "goal": "both"}


def test_what_a_browser_says_is_checked(monkeypatch):
    monkeypatch.setattr(st, "session_state", {"strip": {"samples": [3, "4", None]}, "trace": {"iteration": "x"}})
    assert components.picked() == [3]
    assert components.iteration() is None
    monkeypatch.setattr(st, "session_state", {"strip": {"samples": json.loads('{"a": 1}')}, "trace": {"iteration": -1}})
    assert components.picked() == []
    assert components.iteration() == -1
