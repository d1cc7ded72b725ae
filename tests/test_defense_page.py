import pytest
from conftest import PROJECT, texts
from streamlit.testing.v1 import AppTest

from core.figures import defense
from pages.ui import cache

SOON = 30


def open_page(**query) -> AppTest:
    app = AppTest.from_file(str(PROJECT / "app.py"), default_timeout=SOON)
    app.query_params.update({"n": "64", **query})
    return app.switch_page("pages/defense.py").run()


@pytest.fixture
def page(lab):
    return open_page()


def run_jobs(app: AppTest, key: str) -> AppTest:
    app.button(key=key).click().run()
    assert cache.jobs().join(SOON)
    return app.run()


def keys(app: AppTest) -> set[str]:
    return {button.key for button in app.button}


def sweeps_of(lab, monkeypatch):
    seen = []
    original = lab.sweep
    monkeypatch.setattr(lab, "sweep", lambda spec: seen.append(spec) or original(spec))
    return seen


def test_clean_columns_are_shown_before_any_click(page):
    assert not page.exception
    assert not page.error
    assert texts(page, "caption").count("clean samples") == len(defense.MODELS)
    assert page.get("bidi_component")
    assert page.button(key="run").label == f"Run on all {len(defense.MODELS)}"


def test_run_attacks_every_model_with_the_same_choices(page, lab, monkeypatch):
    seen = sweeps_of(lab, monkeypatch)
    run_jobs(page, "run")
    assert not page.exception
    assert [spec.attack.model for spec in seen] == list(defense.MODELS)
    assert len({(spec.attack.attack, spec.attack.seed, spec.attack.samples, spec.points) for spec in seen}) == 1
    assert texts(page, "caption").count("finished, 12 of 12 values of ε") == len(defense.MODELS)
    assert page.button(key="run").disabled is True


def test_the_attack_page_shows_what_was_run_here(page, lab):
    run_jobs(page, "run")
    sweeps = lab.sweeps
    attack_page = AppTest.from_file(str(PROJECT / "app.py"), default_timeout=SOON)
    attack_page.query_params["n"] = "64"
    attack_page.run()
    assert "Finished after" in texts(attack_page, "caption")
    assert lab.sweeps == sweeps


def test_the_numbers_can_be_taken_home(page):
    assert not page.get("download_button")
    run_jobs(page, "run")
    assert page.get("download_button")


def test_a_stronger_attack_is_one_click_away(page, lab, monkeypatch):
    run_jobs(page, "run")
    seen = sweeps_of(lab, monkeypatch)
    run_jobs(page, "stronger")
    assert [spec.attack.model for spec in seen] == list(defense.MODELS)
    assert {(spec.attack.attack, spec.attack.objective) for spec in seen} == {("pgd", "assignment")}
    assert "stronger" not in keys(page)


def test_what_was_checked_before_is_known_at_once(page, lab):
    run_jobs(page, "run")
    run_jobs(page, "stronger")
    sweeps = lab.sweeps
    cache.forget_everything()  # as after a restart: no job is known any more
    other = open_page()
    assert texts(other, "caption").count("scores of an earlier run") == len(defense.MODELS)
    assert "stronger" not in keys(other)
    assert lab.sweeps - sweeps == len(defense.MODELS)  # clean frames only


def test_cancel_stops_every_model(page, lab):
    lab.pace = 0.4
    page.button(key="run").click().run()
    page.button(key="cancel").click().run()
    assert not cache.jobs().active()
    assert page.button(key="run").disabled is False


def test_a_link_with_a_position_runs_every_model(lab):
    app = open_page(at="0.1")
    assert cache.jobs().join(SOON)
    app.run()
    assert texts(app, "caption").count("finished") == len(defense.MODELS)


def test_models_that_are_missing_keep_their_place(page):
    page.selectbox(key="data").set_value("noisy_fashion").run()
    assert not page.exception
    assert texts(page, "caption").count("not trained") == 2  # the paper's two; our own has no place there
    assert page.button(key="run").label == "Run attack"


def test_without_an_attacker_a_column_shows_its_clean_samples(page, lab, monkeypatch):
    original = lab.attacker
    monkeypatch.setattr(lab, "attacker", lambda d, m: None if m == "ar_dmvc" else original(d, m))
    seen = sweeps_of(lab, monkeypatch)
    page.run()
    assert "**AR-DMVC**: clean samples only" in texts(page, "caption")
    run_jobs(page, "run")
    assert [spec.attack.model for spec in seen if spec.attack.attack == "gan"] == ["cl_mvc", "ar_dmvc_am", "rcd_mvc"]
    assert not page.error


def test_a_failed_attack_says_so_and_keeps_the_clean_samples(page):
    page.number_input(key="seed").set_value(13).run()
    run_jobs(page, "run")
    assert "GAN on CL-MVC: The attack failed: seed 13 breaks on purpose." in texts(page, "error")
    assert page.get("bidi_component")


def test_umap_is_made_for_every_column_in_the_background(page):
    page.segmented_control(key="map").set_value("umap").run()
    assert cache.jobs().join(SOON)
    page.run()
    assert not page.exception
    assert not page.error


def test_defense_on_one_view_leads_to_where_such_models_are_hardened(open_real_page):
    app = open_real_page("defense")
    app.query_params.update({"data": "digits"})
    app.run()
    assert not app.exception
    assert "Digits has one" in texts(app, "info")
    assert not app.get("bidi_component")
    links = [button.key for button in app.button if button.key.startswith("see-defense-")]
    assert links == ["see-defense-certify", "see-defense-neighbours", "see-defense-latent"]
