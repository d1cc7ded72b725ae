import pytest
from conftest import PROJECT, texts
from fake_lab import FakeLab
from streamlit.runtime.pages_manager import PagesManager
from streamlit.testing.v1 import AppTest

from core.errors import LabError
from pages.ui import cache

PAGES = sorted(path.name for path in (PROJECT / "pages").glob("*.py"))
SOON = 20
FRESH = PagesManager.__init__  # before a fixture makes every server one that has run app.py


@pytest.fixture
def app(lab):
    return AppTest.from_file(str(PROJECT / "app.py"), default_timeout=SOON)


def run_attack(app: AppTest) -> AppTest:
    app.button(key="run").click().run()
    assert cache.jobs().join(SOON)
    return app.run()


@pytest.mark.parametrize("name", PAGES)
def test_every_page_is_in_the_navigation_and_opens(app, name):
    app.run()
    app.switch_page(f"pages/{name}").run()
    assert not app.exception
    assert not app.error


def test_a_page_that_is_opened_first_on_a_fresh_server_goes_through_the_app(lab, monkeypatch):
    monkeypatch.setattr(PagesManager, "__init__", FRESH)
    app = AppTest.from_file(str(PROJECT / "app.py"), default_timeout=SOON)
    app.switch_page("pages/defense.py").run()
    assert not app.exception
    assert app.sidebar.selectbox(key="data")
    assert app.get("bidi_component")


def test_a_choice_that_another_data_set_does_not_have_becomes_the_usual_one(app):
    app.run()
    app.selectbox(key="n").select(512).run()
    app.switch_page("pages/guide.py").run()
    app.switch_page("pages/attack.py").run()
    app.sidebar.selectbox(key="data").select("synthetic_people").run()
    assert not app.exception
    assert app.selectbox(key="n").value == 256


def test_the_page_is_alive_before_any_click(app):
    app.run()
    assert "Clean samples." in texts(app, "caption")
    assert app.get("bidi_component")
    assert app.button(key="run").disabled is False


def test_running_an_attack_ends_with_what_can_be_taken_home(app):
    app.run()
    run_attack(app)
    assert not app.exception
    assert "Finished after" in texts(app, "caption")
    assert {button.label for button in app.get("download_button")} >= {"Report (HTML)", "Scores (CSV)"}
    assert app.button(key="run").disabled is True


def test_the_same_attack_runs_once_for_everybody(app, lab):
    app.run()
    run_attack(app)
    sweeps = lab.sweeps
    other = AppTest.from_file(str(PROJECT / "app.py"), default_timeout=SOON).run()
    assert "Finished after" in texts(other, "caption")
    assert lab.sweeps == sweeps


def test_an_attacks_knobs_that_it_does_not_use_do_not_make_another_sweep(app, lab):
    app.run()
    app.segmented_control(key="attack").set_value("fgsm").run()
    run_attack(app)
    sweeps = lab.sweeps
    app.session_state["steps"] = 20
    app.session_state["size"] = 0.5
    app.run()
    assert "Finished after" in texts(app, "caption")
    assert lab.sweeps == sweeps


def test_cancel_stops_the_attack_and_keeps_what_there_is(app, lab):
    lab.pace = 0.4
    app.run()
    app.button(key="run").click().run()
    app.button(key="cancel").click().run()
    assert not cache.jobs().active()
    assert "Cancelled after" in texts(app, "caption")
    assert app.button(key="run").disabled is False


def test_a_lab_error_is_shown_in_its_own_words(app, lab, monkeypatch):
    def refuse(spec):
        raise LabError("The held-out half has only 5 samples.")

    monkeypatch.setattr(lab, "sweep", refuse)
    app.run()
    assert texts(app, "error") == "The held-out half has only 5 samples."
    assert not app.exception


def test_any_other_failure_is_one_sentence_without_a_traceback(app, lab, monkeypatch):
    def break_down(report, method="pca"):
        raise RuntimeError("secret path /root/x")

    monkeypatch.setattr(lab, "map", break_down)
    app.run()
    assert "The page failed" in texts(app, "error")
    assert "secret" not in texts(app, "error")
    assert not app.exception


def test_a_failed_attack_says_so_and_keeps_the_clean_samples(app):
    app.run()
    app.number_input(key="seed").set_value(13).run()
    run_attack(app)
    assert texts(app, "error") == "The attack failed: seed 13 breaks on purpose."
    assert app.get("bidi_component")


def test_no_view_to_attack_is_said(app):
    app.run()
    app.pills(key="views").set_value([]).run()
    assert texts(app, "error") == "Choose at least one view to attack."


def test_a_pinned_run_stands_beside_the_next_one_and_in_the_address(app):
    app.run()
    run_attack(app)
    assert not app.get("plotly_chart")
    app.button(key="pin-run").click().run()
    assert len(app.get("plotly_chart")) == 1
    app.segmented_control(key="attack").set_value("fgsm").run()
    run_attack(app)
    assert app.dataframe[0].value["run"].str.contains("GAN|FGSM").all()
    assert len(app.dataframe[0].value) == 2
    assert "noisy_digits~cl_mvc~gan~0.3~256~0~all~10~both" in app.query_params["pin"]
    app.button(key="unpin-0").click().run()
    assert not app.get("plotly_chart")


def test_a_pinned_run_of_a_link_can_be_run_here(app):
    app.query_params["pin"] = ["noisy_digits~ar_dmvc_am~gan~0.3~64~1~all~10~both", "nonsense"]
    app.run()
    run_attack(app)
    assert "not run on this machine yet" in texts(app, "caption")
    assert "the pinned run “nonsense”" in texts(app, "warning")
    (offer,) = [button for button in app.button if button.label == "Run it"]
    offer.click().run()
    assert cache.jobs().join(SOON)
    app.run()
    assert len(app.dataframe[0].value) == 2


def test_without_a_checkpoint_the_page_says_how_to_make_one(app, lab, monkeypatch):
    monkeypatch.setattr(lab, "cards", tuple)
    app.run()
    assert "python -m core train noisy_digits/cl_mvc" in texts(app, "info")
    assert not app.exception


def test_checkpoints_that_cannot_be_read_are_named(app):
    app.run()
    assert "1 checkpoint left out" in [expander.label for expander in app.expander]


def test_the_address_is_read(app, lab, monkeypatch):
    seen = []
    monkeypatch.setattr(lab, "sweep", lambda spec: seen.append(spec) or FakeLab.sweep(lab, spec))
    app.query_params.update(
        {"model": "AR-DMVC-AM", "attack": "PGD", "eps": "0.15", "n": "64", "seed": "7", "steps": "3", "size": "0.5"}
    )
    app.run()
    attack = seen[0].attack
    assert (attack.model, attack.attack, attack.epsilon) == ("ar_dmvc_am", "pgd", 0.15)
    assert (attack.samples, attack.seed, attack.steps, attack.relative_step_size) == (64, 7, 3, 0.5)
    assert not app.warning


def test_the_address_takes_plain_names_too(app, lab, monkeypatch):
    seen = []
    monkeypatch.setattr(lab, "sweep", lambda spec: seen.append(spec) or FakeLab.sweep(lab, spec))
    app.query_params.update({"model": "simvc.released", "attack": "untrained_generator"})
    app.run()
    assert (seen[0].attack.model, seen[0].attack.attack) == ("simvc.released", "untrained_generator")
    assert not app.warning


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"model": "resnet"}, "the model “resnet”"),
        ({"size": "7"}, "the step size “7”, which is not a number from 0.01 to 2"),
        ({"attack": "<img src=x onerror=alert(1)>"}, "the attack “img srcx onerroralert1”"),
        ({"eps": "7"}, "ε max “7”, which is not a number from 0.01 to 1"),
        ({"eps": "nan"}, "ε max “nan”"),
        ({"n": "10000000"}, "the number of samples “10000000”"),
        ({"seed": "1.5"}, "seed “1.5”, which is not a whole number from 0 to 9999"),
        ({"views": ["original", "x-ray"]}, "the attacked views “x-ray”"),
        ({"at": "far"}, "the position ε “far”"),
        ({"map": "tsne"}, "the map “tsne”"),
    ],
)
def test_what_the_address_asks_in_vain_is_ignored_and_said(app, query, said):
    app.query_params.update(query)
    app.run()
    assert said in texts(app, "warning")
    assert not app.exception
    assert not app.error


@pytest.fixture
def two_kinds(lab, monkeypatch):
    """A lab in which AR-DMVC passes for a Magnet."""
    offered = {"ar_dmvc": ("margin", "log_scores", "scores")}
    monkeypatch.setattr(lab, "objectives", lambda data, *models: offered.get(models[0], ("both", "assignment")))


def test_a_classifier_is_attacked_by_its_margin_unless_asked_otherwise(app, two_kinds):
    app.query_params.update({"model": "ar_dmvc", "attack": "pgd"})
    app.run()
    assert app.selectbox(key="goal").value == "margin"
    assert list(app.selectbox(key="goal").options) == ["margin", "cross-entropy", "scores as logits"]


def test_the_address_takes_an_objective_by_its_plain_name_and_by_its_label(app, two_kinds):
    app.query_params.update({"model": "ar_dmvc", "attack": "pgd", "goal": "log_scores"})
    app.run()
    assert app.selectbox(key="goal").value == "log_scores"
    assert app.query_params["goal"] == "cross-entropy"
    assert not app.warning


def test_an_objective_of_another_kind_of_model_is_ignored_and_said(app, two_kinds):
    app.query_params.update({"model": "ar_dmvc", "attack": "pgd", "goal": "both"})
    app.run()
    assert "the objective “both”, which is not one of margin, cross-entropy, scores as logits" in texts(app, "warning")
    assert app.selectbox(key="goal").value == "margin"


def test_an_objective_that_the_next_model_does_not_have_leaves_the_address(app, two_kinds):
    app.query_params.update({"model": "ar_dmvc", "attack": "pgd", "goal": "scores"})
    app.run()
    app.sidebar.selectbox(key="model").select("cl_mvc").run()
    assert app.selectbox(key="goal").value == "both"
    assert "goal" not in app.query_params
    assert not app.exception


def test_the_notice_goes_when_something_else_is_chosen(app):
    app.query_params["model"] = "resnet"
    app.run()
    assert app.warning
    app.number_input(key="seed").set_value(3).run()
    assert not app.warning


def test_a_link_with_a_position_runs_its_attack(app):
    app.query_params.update({"attack": "FGSM", "at": "0.1"})
    app.run()
    assert cache.jobs().join(SOON)
    app.run()
    assert "Finished after" in texts(app, "caption")


def test_umap_is_made_in_the_background(app, lab):
    app.run()
    app.segmented_control(key="map").set_value("umap").run()
    assert cache.jobs().join(SOON)
    app.run()
    assert not app.exception
    assert "being fitted" not in texts(app, "caption")


def test_the_budget_follows_the_data_set(app):
    app.run()
    assert app.number_input(key="eps").value == 0.3
    app.selectbox(key="data").set_value("noisy_fashion").run()
    assert app.number_input(key="eps").value == 0.15
    assert not app.exception
    assert not app.warning
