import pytest
import streamlit as st
from conftest import PROJECT, texts
from streamlit.testing.v1 import AppTest

from core.errors import LabError
from core.lab import Lab
from core.theorem_records import TheoremSpec
from pages.ui import address, cache, guide_live, guide_view, presenter, tour
from pages.ui.guide_topics import IDEAS, TOPICS

SOON = 30


@pytest.fixture
def guide(lab):
    """Opens the guide at parameters of the address."""

    def go(**parameters) -> AppTest:
        app = AppTest.from_file(str(PROJECT / "app.py"), default_timeout=SOON)
        app.query_params.update(parameters)
        app.run()
        asked = parameters.get("topic", "views")
        app.session_state[address.NOTICED_AT] = asked if asked in TOPICS else "views"  # as if opened at the guide
        return app.switch_page("pages/guide.py").run()

    return go


@pytest.fixture
def opened(monkeypatch):
    """The pages that callbacks open; AppTest cannot follow them by itself."""
    pages = []
    monkeypatch.setattr(st, "switch_page", lambda page, **_: pages.append(page))
    return pages


@pytest.mark.parametrize("topic", TOPICS)
@pytest.mark.parametrize("depth", guide_view.DEPTHS)
def test_every_topic_opens_in_both_depths(guide, topic, depth):
    app = guide(topic=topic, depth=depth)
    assert not app.exception
    assert not app.error
    assert not app.warning
    if topic in IDEAS:
        title = guide_view.text(topic).partition("\n")[0]
        assert title in texts(app)
        assert ("$$" in texts(app)) == (depth == "formulas" and "$$" in guide_view.text(topic))


def test_every_idea_has_its_links(guide):
    app = guide(topic="limits")
    labels = [button.label for button in app.button if button.key.startswith("see-")]
    assert labels == [f":primary[{see.label}]" for see in IDEAS["limits"].see]


def test_a_link_opens_the_attack_page_with_its_choices_and_runs(guide, lab, opened):
    app = guide(topic="limits")
    app.button(key="see-limits-0").click().run()
    app.switch_page(opened.pop()).run()
    assert not app.exception
    assert not app.warning
    assert app.segmented_control(key="attack").value == "pgd"
    assert app.selectbox(key="goal").value == "assignment"
    assert app.number_input(key="eps").value == 0.3
    assert cache.jobs().join(SOON)
    assert lab.sweeps > 0


def test_an_unknown_topic_in_the_address_is_said_and_the_first_one_shown(guide):
    app = guide(topic="alchemy")
    assert "the topic “alchemy”" in texts(app, "warning")
    assert guide_view.text("views").partition("\n")[0] in texts(app)


def test_one_turns_the_pages_of_the_guide(guide):
    app = guide()
    app.button(key="guide-on").click().run()
    assert guide_view.text("clustering").partition("\n")[0] in texts(app)
    app.button(key="guide-back").click().run()
    assert guide_view.text("views").partition("\n")[0] in texts(app)


def test_a_case_of_the_matching_lesson_says_its_scores(guide):
    app = guide(topic="scores", case="swapped")
    assert guide_live.CASE_SENTENCES["swapped"] in texts(app)
    assert "ARI 0.90" in texts(app)
    assert app.get("plotly_chart")


def test_the_theorem_is_measured_on_demand_and_then_shown(guide):
    app = guide(topic="theorem")
    assert "Not measured yet" in texts(app, "info")
    assert not app.get("plotly_chart")
    app.button(key="measure").click().run()
    assert cache.jobs().join(SOON)
    cache.theorem.clear()
    app.run()
    assert app.get("plotly_chart")
    assert "I ≤ bound in all of them" in texts(app)


def test_a_measured_theorem_shows_at_once_for_each_family(guide, lab):
    for model in guide_live.DEFENDED:
        list(lab.theorem(TheoremSpec(dataset="noisy_digits", model=model)))
    app = guide(topic="theorem", versions="assignment")
    assert not app.info
    assert app.segmented_control(key="versions").value == "assignment"
    assert "CL-MVC at ε = 0.30" in texts(app)
    assert "8 adversarial versions" in texts(app, "caption")


def test_limits_say_which_numbers_are_not_there(guide, lab):
    app = guide(topic="limits")
    assert "Not run" in texts(app, "caption")
    assert app.get("plotly_chart")


@pytest.fixture
def measured(lab, monkeypatch):
    """The lab with the other papers' numbers that come with it."""
    real = Lab(checkpoints=PROJECT / "checkpoints", device="cpu")
    monkeypatch.setattr(type(lab), "certify", real.certify)
    monkeypatch.setattr(lab, "neighbours", real.neighbours)


@pytest.mark.parametrize(
    ("topic", "said"),
    [
        ("certificate", "Two moons. Magnet loss from new weights: median radius"),
        ("fading", "ClusTR: from the clean picture to where a margin attack ends"),
        ("neighbours", "SimCLR with a linear head on the digits"),
    ],
)
def test_the_other_papers_are_drawn_from_what_was_measured(guide, measured, topic, said):
    app = guide(topic=topic)
    assert app.get("plotly_chart")
    assert said in texts(app) + texts(app, "caption")
    assert not app.info


@pytest.mark.parametrize("topic", ["fading", "neighbours"])
def test_what_was_not_measured_is_said_with_its_command(guide, topic):
    app = guide(topic=topic)
    assert "`python -m core" in texts(app, "info")
    assert not app.get("plotly_chart")


def test_the_glossary_finds_words_in_meanings_too(guide):
    app = guide(topic="glossary")
    everything = texts(app)
    assert all(word in everything for word, _, _ in guide_view.glossary())
    app.text_input(key="word").set_value("hungarian").run()
    assert "matching" in texts(app)
    assert "UMAP" not in texts(app)


def test_a_word_that_is_in_no_entry_is_said(guide):
    app = guide(topic="glossary", word="zebra")
    assert "Try a shorter one" in texts(app, "info")
    assert not app.exception


def test_the_lecture_shows_every_step_with_its_time(guide):
    app = guide(topic="lecture")
    for number, step in enumerate(presenter.script(), start=1):
        assert f"**{number}. {step['title']}**" in texts(app)
        assert step["say"] in texts(app)
    assert ":gray[0:00]" in texts(app)


def test_the_lecture_starts_from_the_guide(guide, opened):
    app = guide(topic="lecture")
    app.button(key="lecture").click().run()
    assert opened == ["pages/attack.py"]
    assert app.session_state["_presenting"]
    assert app.session_state["attack"] == presenter.script()[0]["choices"]["attack"]


def test_a_glimpse_whose_attacker_is_not_there_says_so(guide, lab, monkeypatch):
    def refuse(spec):
        raise LabError("No attacker was trained.")

    monkeypatch.setattr(lab, "sweep", refuse)
    app = guide(topic="controls")
    assert "No attacker was trained." in texts(app, "error")
    assert not app.exception


@pytest.mark.parametrize(("parameters", "first"), [({}, True), ({"model": "cl_mvc"}, False)])
def test_the_tour_comes_by_itself_only_without_a_link(monkeypatch, parameters, first):
    shown = []
    monkeypatch.setattr(st, "session_state", {address.ARRIVED: parameters, "_presenting": False})
    monkeypatch.setattr(tour.components, "tour", shown.append)
    tour.show()
    assert [data["first"] for data in shown] == [first]
    assert len(shown[0]["cards"]) == 5


def test_the_tour_never_comes_while_presenting(monkeypatch):
    shown = []
    monkeypatch.setattr(st, "session_state", {address.ARRIVED: {}, "_presenting": True})
    monkeypatch.setattr(tour.components, "tour", shown.append)
    tour.show()
    assert shown == []


def test_a_tour_that_is_asked_for_is_another_one_each_time(guide, opened):
    app = guide()
    app.button(key="guide-tour").click().run()
    first = app.session_state["_tour_asked"]
    assert opened == ["pages/attack.py"]
    app.button(key="guide-tour").click().run()
    assert app.session_state["_tour_asked"] != first
