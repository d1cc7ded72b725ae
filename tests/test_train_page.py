import sys
import time

import fake_training
import pytest
import streamlit as st
from conftest import PROJECT, texts
from streamlit.testing.v1 import AppTest

from core.figures import words
from core.processes import Trainings
from core.recipes import models_of
from core.records import TrainSpec
from pages.ui import cache

SOON = 60

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the pretended training is ended by signals")


class Pace:
    """How long an epoch of a pretended training takes, in seconds."""

    seconds = 0.0

    def command(self, plan):
        return fake_training.command(self.seconds)(plan)


@pytest.fixture
def pace():
    return Pace()


@pytest.fixture
def trainings(tmp_path, monkeypatch, pace):
    made = Trainings(tmp_path / "runs", command=pace.command)
    monkeypatch.setattr(cache, "trainings", lambda: made)
    yield made
    for run in made.runs():
        if run.active:
            made.stop(run.id)
    assert made.join(SOON)


@pytest.fixture
def app(lab, trainings):
    return AppTest.from_file(str(PROJECT / "app.py"), default_timeout=SOON)


def open_page(app, **query):
    """Open the Train page at an address, by way of the first page, which knows the others."""
    app.query_params.update(query)
    app.run()
    app.switch_page("pages/train.py")
    del app.session_state["_noticed_at"]  # the first page has shown its notices
    app.query_params.update(query)
    app.run()


def labels(app):
    return [button.label for button in app.button]


def train(trainings, **choices):
    """A pretended training that is through."""
    spec = TrainSpec(**({"dataset": "noisy_digits", "model": "cl_mvc", "epochs": 3, "runs": 1} | choices))
    plan = fake_training.plan(spec)
    trainings.submit(plan)
    assert trainings.join(SOON)
    return plan.run


def wait_for_epoch(trainings):
    end = time.monotonic() + SOON
    while not trainings.runs()[0].logs:
        assert time.monotonic() < end
        time.sleep(0.05)


def test_before_the_first_training_the_page_says_what_to_do(app):
    open_page(app)
    assert not app.exception
    assert not app.error
    assert "No training has been started here yet" in texts(app, "info")
    assert "About 12 s" in texts(app, "markdown")
    assert app.code[0].value == "python -m core train noisy_digits/cl_mvc --seed 0"
    assert app.button(key="tr_start").disabled is False


def test_every_data_set_and_every_model_can_be_picked(app):
    open_page(app)
    assert len(app.selectbox(key="tr_data").options) == len(cache.lab().dataset_titles())
    assert app.selectbox(key="tr_model").options == [words.model_name(name) for name in models_of("noisy_digits")]
    app.selectbox(key="tr_data").select("digits").run()
    assert app.selectbox(key="tr_model").options == [words.model_name(name) for name in models_of("digits")]


def test_a_training_is_started_watched_and_its_model_used(app, trainings):
    open_page(app)
    app.number_input(key="tr_epochs").set_value(3)
    app.number_input(key="tr_runs").set_value(2)
    app.button(key="tr_start").click().run()
    assert not app.exception
    assert trainings.join(SOON)
    app.run()
    (run,) = trainings.runs()
    assert (run.state, run.spec.epochs, run.spec.runs) == ("finished", 3, 2)
    assert "ACC 0.900" in texts(app, "caption")
    assert len(app.get("plotly_chart")) == 1
    assert [metric.label for metric in app.metric] == ["ACC", "NMI", "ARI"]
    assert "Attack this model" in labels(app)
    assert not app.exception


def test_the_new_model_is_attacked_by_a_click(app, trainings, monkeypatch):
    gone = []
    monkeypatch.setattr(st, "switch_page", lambda page, **address: gone.append(page))
    train(trainings, model="ar_dmvc_am")
    open_page(app)
    app.button(key=f"see-tr_{trainings.runs()[0].id}").click().run()
    assert not app.exception
    assert gone == ["pages/attack.py"]
    assert (app.session_state["data"], app.session_state["model"]) == ("noisy_digits", "ar_dmvc_am")


def test_a_model_that_is_in_no_list_cannot_be_attacked(app, trainings):
    train(trainings, model="sem")
    open_page(app)
    assert "Attack this model" not in labels(app)


def test_a_running_training_can_be_stopped_and_gone_on_with(app, trainings, pace):
    pace.seconds = 0.3
    open_page(app)
    app.button(key="tr_start").click().run()
    wait_for_epoch(trainings)
    app.run()
    (run,) = trainings.runs()
    assert app.button(key="tr_start").disabled is True
    app.button(key=f"tr_stop_{run.id}").click().run()
    assert trainings.join(SOON)
    app.run()
    assert trainings.runs()[0].state == "stopped"
    assert "% done" in texts(app, "caption")
    pace.seconds = 0.0
    app.button(key=f"tr_resume_{run.id}").click().run()
    assert trainings.join(SOON)
    assert trainings.runs()[0].state == "finished"
    assert not app.exception


def test_a_run_can_be_removed(app, trainings):
    run = train(trainings)
    open_page(app)
    app.button(key=f"tr_remove_{run}").click().run()
    assert trainings.runs() == ()
    assert "No training has been started" in texts(app, "info")
    assert not app.exception


def test_a_failed_training_shows_its_sentence(app, trainings):
    train(trainings, seed=13)
    open_page(app)
    assert texts(app, "error") == "This seed fails on purpose."
    assert not app.exception


def test_runs_are_compared(app, trainings):
    first, second = train(trainings), train(trainings, model="simvc")
    open_page(app)
    app.multiselect(key="tr_show").set_value([first, second]).run()
    assert not app.exception
    assert app.selectbox(key="tr_term").value == "total loss"
    table = app.dataframe[0].value
    assert list(table["run"]) == [
        f"{name} on NoisyDigits ({run[-8:]})" for name, run in (("CL-MVC", first), ("SiMVC", second))
    ]
    assert list(table["ACC"]) == [0.9, 0.9]


def test_a_button_shows_and_hides_the_losses_of_a_run(app, trainings):
    first, _ = train(trainings), train(trainings, model="simvc")
    open_page(app)
    app.button(key=f"tr_losses_{first}").click().run()
    assert app.multiselect(key="tr_show").value == [first]
    app.button(key=f"tr_losses_{first}").click().run()
    assert app.multiselect(key="tr_show").value == []
    assert not app.exception


def test_an_attacker_has_a_target_and_an_epsilon_and_no_seeds_to_try(app, trainings):
    open_page(app)
    app.segmented_control(key="tr_kind").set_value("attacker").run()
    app.number_input(key="tr_eps").set_value(0.2).run()
    assert "tr_runs" not in [widget.key for widget in app.number_input]
    app.button(key="tr_start").click().run()
    assert trainings.join(SOON)
    app.run()
    (run,) = trainings.runs()
    assert (run.spec.kind, run.spec.model, run.spec.epsilon, run.spec.runs) == ("attacker", "cl_mvc", 0.2, None)
    assert "ACC attacked 0.900" in texts(app, "caption")
    assert "Attack with it" in labels(app)


def test_an_attacker_of_a_data_set_without_models_is_explained(app):
    open_page(app)
    app.segmented_control(key="tr_kind").set_value("attacker").run()
    app.selectbox(key="tr_data").set_value("patched_mnist").run()
    assert "PatchedMNIST has none yet: train a model first" in texts(app, "info")
    assert not app.exception


def test_another_trainings_attacker_can_be_replaced(app, trainings):
    open_page(app)
    app.segmented_control(key="tr_kind").set_value("attacker").run()
    app.number_input(key="tr_seed").set_value(5).run()
    assert "as another training's is called `cl_mvc.gan`" in texts(app, "markdown")
    app.checkbox(key="tr_replace").check().run()
    assert "It replaces the checkpoint" in texts(app, "markdown")
    app.button(key="tr_start").click().run()
    assert trainings.join(SOON)
    assert trainings.runs()[0].replace is True


def test_data_that_must_be_brought_cannot_be_trained_on(app):
    open_page(app)
    app.selectbox(key="tr_data").set_value("regdb").run()
    assert "regdb must be brought." in texts(app, "warning")
    assert app.button(key="tr_start").disabled is True


def test_what_cannot_be_trained_is_one_sentence(app):
    open_page(app)
    app.number_input(key="tr_samples").set_value(666).run()
    assert texts(app, "error") == "The training part has fewer samples than 666."
    assert not app.exception


def test_a_refusal_is_said_once(app, trainings):
    open_page(app)
    plan = fake_training.plan(TrainSpec(dataset="noisy_digits", model="cl_mvc", seed=3))
    app.number_input(key="tr_seed").set_value(3).run()
    trainings._waiting.append(plan)
    app.button(key="tr_start").click().run()
    trainings._waiting.clear()
    assert "waits or runs already" in texts(app, "error")
    app.run()
    assert not app.error


def test_where_training_is_off_the_page_says_so_and_only_shows(app, trainings, monkeypatch):
    train(trainings)
    monkeypatch.setenv("LAB_TRAINING", "off")
    open_page(app)
    assert "switched off on this server" in texts(app, "info")
    assert app.button(key="tr_start").disabled is True
    assert not {"Stop", "Resume", "Remove this run"} & set(labels(app))
    assert app.get("plotly_chart")
    assert app.code[0].value.startswith("python -m core train")


def test_the_address_is_read_and_what_does_not_fit_is_said(app):
    open_page(app, tr_data="synthetic_people", tr_model="sem", tr_epochs="7", tr_seed="-1")
    assert app.selectbox(key="tr_data").value == "synthetic_people"
    assert app.selectbox(key="tr_model").value == "sem"
    assert app.number_input(key="tr_epochs").value == 7
    assert "seed “-1”" in texts(app, "warning")
    assert not app.exception


def test_a_link_shows_the_runs_it_names(app, trainings):
    run, _ = train(trainings), train(trainings, model="simvc")
    open_page(app, tr_show=[run, "gone"])
    assert "the run “gone”" in texts(app, "warning")
    assert not app.exception
