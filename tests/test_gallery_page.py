import pytest
from conftest import PROJECT, texts
from fake_lab import FakeLab
from streamlit.testing.v1 import AppTest

from core.figures import gallery, words
from pages.ui import cache

SOON = 30
MODELS = [words.model_name(card.name) for card in FakeLab().cards() if card.dataset == "noisy_digits"]


def open_page(**query) -> AppTest:
    app = AppTest.from_file(str(PROJECT / "app.py"), default_timeout=SOON)
    app.query_params.update(query)
    app.switch_page("pages/gallery.py").run()
    return app


def settle(app: AppTest) -> AppTest:
    assert cache.jobs().join(SOON)
    app.run()
    assert not app.exception
    return app


def sheets(app: AppTest) -> list[str]:
    """The models that have a sheet, by the heading above it."""
    return [heading.value for heading in app.subheader]


def keys(app: AppTest) -> list[str]:
    return [button.key for button in app.button if button.key]


def test_the_first_model_is_attacked_without_being_asked(lab):
    app = settle(open_page())
    assert sheets(app) == ["CL-MVC"]
    assert len(app.get("bidi_component")) == 1
    assert lab.sweeps == 1
    assert "GAN, ε = 0.30 · ACC" in texts(app, "caption")
    assert "256 samples of the held-out half · GAN on all views" in texts(app, "caption")
    assert app.button(key="gallery-run").label == f"Run the other {len(MODELS) - 1}"


def test_all_models_are_run_on_a_click(lab):
    app = settle(open_page())
    app.button(key="gallery-run").click().run()
    settle(app)
    assert sheets(app) == MODELS
    assert lab.sweeps == len(MODELS) > 2
    assert "gallery-run" not in keys(app)
    assert app.get("download_button")[0].label == f"{len(MODELS)} sheets (PDF)"
    assert len(app.get("download_button")) == 1 + 2 * len(MODELS)


def test_one_model_can_be_run_by_itself(lab):
    app = settle(open_page())
    app.button(key="gallery-run-ar_dmvc_am").click().run()
    assert sheets(settle(app)) == ["CL-MVC", "AR-DMVC-AM"]


def test_its_sweeps_are_those_of_the_attack_page(lab):
    settle(open_page())
    sweeps = lab.sweeps
    app = AppTest.from_file(str(PROJECT / "app.py"), default_timeout=SOON).run()
    assert "Finished after" in texts(app, "caption")
    assert lab.sweeps == sweeps


def test_another_choice_of_samples_needs_no_attack(lab):
    app = settle(open_page())
    sweeps = lab.sweeps
    app.segmented_control(key="gal_order").set_value("drawn").run()
    app.segmented_control(key="gal_n").set_value(24).run()
    assert not app.exception
    assert lab.sweeps == sweeps
    assert "24 of 256 samples, the first of a random draw" in texts(app, "caption")


def test_cancel_gives_up_what_was_queued(lab):
    app = settle(open_page())
    lab.pace = 0.3
    app.button(key="gallery-run").click().run()
    app.button(key="gallery-cancel").click().run()
    assert not cache.jobs().active()
    assert "cancelled" in texts(app, "markdown")
    assert app.button(key="gallery-run").label == f"Run the other {len(MODELS) - 1}"


def test_what_is_no_longer_shown_is_given_up(lab):
    lab.pace = 0.3
    app = open_page()
    first = [job.key for job in cache.jobs().active()]
    app.number_input(key="seed").set_value(3).run()
    now = [job.key for job in cache.jobs().active()]
    assert len(first) == len(now) == 1
    assert first != now
    assert cache.jobs().get(first[0]).state == "cancelled"
    for key in now:
        cache.jobs().cancel(key, owner=app.session_state["_owner"])


def test_a_cancelled_first_model_is_not_started_again(lab):
    lab.pace = 0.3
    app = open_page()
    app.button(key="gallery-cancel").click().run()
    app.run()
    assert not cache.jobs().active()
    assert app.button(key="gallery-run").label == f"Run all {len(MODELS)} models"


def test_a_failed_attack_says_so_and_can_be_tried_again(lab):
    app = open_page(seed="13", gal_models="CL-MVC")
    settle(app)
    assert "seed 13 breaks on purpose" in texts(app, "error")
    assert app.button(key="gallery-run-cl_mvc").label == "Try again"


def test_a_model_without_an_attacker_says_how_to_make_one(lab, monkeypatch):
    every = FakeLab.attacks

    def attacks(dataset, model):
        return tuple(name for name in every(lab, dataset, model) if name != "gan" or model != "cl_mvc")

    monkeypatch.setattr(lab, "attacks", attacks)
    app = settle(open_page())
    assert "python -m core train noisy_digits/cl_mvc.gan" in texts(app, "markdown")
    assert sheets(app) == MODELS[1:2]


def test_choosing_no_model_is_said(lab):
    app = settle(open_page())
    app.pills(key="gal_models").set_value([]).run()
    assert texts(app, "info") == "Choose at least one model."
    assert not app.exception


def test_the_address_is_read_by_plain_names(lab):
    app = settle(open_page(gal_models=["simvc.released", "cl_mvc"], gal_order="drawn", gal_n="8", attack="noise"))
    assert sheets(app) == ["CL-MVC"]
    assert "8 of 256 samples, the first of a random draw" in texts(app, "caption")
    assert "Signed noise on all views" in texts(app, "caption")
    assert app.button(key="gallery-run").label == "Run the other 1"
    assert not app.warning


def test_a_gradient_attack_is_the_one_that_was_chosen(lab):
    app = settle(open_page(attack="pgd", goal="assignment", steps="3", views="original", gal_models="cl_mvc"))
    (report,) = lab.kept.values()
    assert (report.spec.attack.objective, report.spec.attack.steps, report.spec.attack.views) == ("assignment", 3, (0,))
    assert "PGD on the assignment (3 steps)" in texts(app, "caption")
    assert not app.warning


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"gal_n": "9"}, "the number of samples on a sheet “9”"),
        ({"gal_order": "<b>"}, "the order of samples “b”"),
        ({"gal_models": "resnet"}, "the models “resnet”"),
    ],
)
def test_what_the_address_asks_in_vain_is_said(lab, query, said):
    app = settle(open_page(**query))
    assert said in texts(app, "warning")


def test_sheets_outlive_the_queue(lab):
    app = settle(open_page())
    for i in range(40):
        cache.jobs().submit(f"other-{i}", lambda: iter([None]), owner="somebody", title="other")
    settle(app)
    assert sheets(app) == ["CL-MVC"]
    assert lab.sweeps == 1


def test_a_data_set_with_one_model_has_nothing_else_to_run(lab):
    app = settle(open_page(data="synthetic_people"))
    assert sheets(app) == ["CL-MVC"]
    assert "gallery-run" not in keys(app)
    assert app.get("download_button")[0].label == "1 sheet (PDF)"


def test_all_choices_of_samples_are_offered(lab):
    app = settle(open_page())
    assert app.segmented_control(key="gal_n").options == [str(count) for count in gallery.COUNTS]
