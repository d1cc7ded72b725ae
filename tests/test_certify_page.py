import pytest
import streamlit as st
from conftest import texts

from core.certify.results import PlaneSpec
from core.jobs import JobQueue
from core.lab import Lab
from pages.ui import cache, certify_view, components

SOON = 60
JOBS = [cache.plane_key(PlaneSpec(dataset="two_moons", model=model)) for model in ("magnet", "clustr")]


@pytest.fixture
def app(open_real_page):
    return open_real_page("certify")


def test_the_page_shows_what_is_kept_and_runs_nothing(app):
    app.run()
    assert not app.exception
    assert not app.error
    assert "trained with labels" in texts(app, "info")
    assert "the last epoch's radii are proven" in texts(app, "caption")
    assert app.get("bidi_component")
    assert len(app.get("plotly_chart")) == 3
    assert not cache.jobs().active()
    assert [heading.value for heading in app.subheader] == [
        "In the plane: regions, centres, certified discs",
        "Several classes: the rule the paper prints is no certificate",
        "What is left of the robustness",
        "What the paper says, and what we found",
    ]


def test_every_claim_has_a_verdict_a_number_and_a_command(app):
    app.run()
    judged = [text.value for text in app.markdown if "badge[" in text.value and "**" in text.value]
    assert len(judged) == 7
    assert all("`python -m core " in text for text in judged)
    assert all(any(v in text for v in ("[held]", "[not held]", "[not testable here]")) for text in judged)


def test_the_rule_that_fails_is_on_the_page(app):
    app.run()
    assert "a change of 0.35 flips the class" in texts(app, "caption")


def test_the_address_says_what_is_shown(app):
    app.query_params.update(
        {"cert_points": "two_circles", "cert_seed": "0", "cert_data": "mnist", "cert_model": "clustr"}
    )
    app.run()
    assert not app.exception
    assert app.selectbox(key="cert_points").value == "two_circles"
    assert app.selectbox(key="cert_data").value == "mnist"
    assert app.selectbox(key="cert_model").value == "clustr"


def test_a_wrong_address_is_said_and_not_obeyed(app):
    app.query_params.update({"cert_points": "three_moons", "cert_seed": "-1", "px": "left", "py": "7"})
    app.run()
    assert not app.exception
    said = texts(app, "warning")
    assert "three_moons" in said
    assert "-1" in said
    assert certify_view.START


def test_a_seed_that_was_not_trained_says_how_it_is(app):
    app.query_params["cert_seed"] = "4711"
    app.run()
    assert not app.exception
    assert "Seed 4711 has not been trained yet" in texts(app, "caption")


def test_training_live_is_a_job_that_can_be_cancelled(app, real_lab, monkeypatch):
    kept = {spec.model: real_lab.certify.kept_plane(spec) for spec in real_lab.certify.planes() if spec.seed == 0}
    asked = []

    class Certifying(type(real_lab.certify)):
        def plane(self, spec, *, ship=False, again=False):
            asked.append((spec.model, again))
            yield kept[spec.model]

    monkeypatch.setattr(Lab, "certify", property(lambda lab: Certifying(lab.library, lab._store)))
    app.run()
    app.button(key="run").click().run()
    assert cache.jobs().join(SOON)
    app.run()
    assert not app.exception
    assert asked == [("magnet", True), ("clustr", True)]
    assert [cache.jobs().get(key).state for key in JOBS] == ["done", "done"]


def test_cancel_stands_in_the_place_of_train_live_while_it_runs(app, real_lab, monkeypatch):
    import threading

    hold = threading.Event()

    class Certifying(type(real_lab.certify)):
        def plane(self, spec, *, ship=False, again=False):
            while not hold.wait(0.05):
                yield self.kept_plane(PlaneSpec(dataset=spec.dataset, model=spec.model))

    monkeypatch.setattr(Lab, "certify", property(lambda lab: Certifying(lab.library, lab._store)))
    try:
        app.run()
        app.button(key="run").click().run()
        app.button(key="cancel").click().run()
        assert cache.jobs().join(SOON)
        assert {cache.jobs().get(key).state for key in JOBS} == {"cancelled"}
    finally:
        hold.set()


def test_where_the_point_rested_goes_into_the_address(monkeypatch):
    monkeypatch.setattr(st, "session_state", {"plane": {"point": [0.25, 0.75]}})
    monkeypatch.setattr(st, "query_params", {})
    certify_view._remember_point()
    assert st.query_params == {"px": "0.25", "py": "0.75"}
    for nonsense in (None, [0.5], [2, 0], ["a", 0], [True, 0]):
        monkeypatch.setattr(st, "session_state", {"plane": {"point": nonsense}})
        assert components.plane_point() is None


PICTURE_PAGES = ("attack", "defense", "steps", "gallery", "tables", "your_data", "train")


@pytest.mark.parametrize("page", PICTURE_PAGES)
def test_pages_made_for_pictures_do_not_offer_points(app, page, monkeypatch):
    monkeypatch.setattr(JobQueue, "_ensure_worker", lambda queue: None)  # some pages begin by themselves: not here
    app.switch_page(f"pages/{page}.py")
    app.query_params["data"] = "two_moons"
    app.run()
    assert not app.exception
    offered = {option for box in app.selectbox for option in box.options}
    assert not {"Two moons", "two_moons", "Two circles", "two_circles"} & offered
