from threading import Event

import pytest
from conftest import PROJECT, texts
from streamlit.testing.v1 import AppTest

from core.neighbours.tables import JUDGES, NOT_OURS
from pages.ui import cache

SOON = 60


@pytest.fixture
def app(open_real_page):
    return open_real_page("neighbours")


def settle(app: AppTest) -> AppTest:
    """Run until the push is on the screen."""
    app.run()
    assert cache.jobs().join(SOON)
    return app.run()


@pytest.fixture
def pursuits(real_lab, monkeypatch):
    """The specs of all pushes that were begun."""
    seen = []
    room = type(real_lab.neighbours)
    pursue = room.pursue
    monkeypatch.setattr(room, "pursue", lambda self, spec: seen.append(spec) or pursue(self, spec))
    return seen


def test_the_page_pushes_a_sample_by_itself_and_says_which_way_it_went(app):
    settle(app)
    assert not app.exception
    assert not app.error
    assert "Push a picture toward the cluster next to its own" in texts(app, "info")
    assert "is pushed toward C" in texts(app)
    assert "10 steps in" in texts(app, "caption")
    assert [heading.value for heading in app.subheader] == [
        "How many clusters",
        "Proof of concept: noise, or toward the neighbour",
        "NCP-ACL and what it is compared with",
        "What the paper says, and what we found",
    ]


def test_every_claim_has_a_verdict_a_number_and_a_command(app):
    settle(app)
    judged = [text.value for text in app.markdown if "badge[" in text.value and "**" in text.value]
    assert len(judged) == len(JUDGES) + len(NOT_OURS)
    assert all("`python -m core " in text for text in judged)
    assert all(any(v in text for v in ("[held]", "[not held]", "[not testable here]")) for text in judged)


def test_every_chart_and_map_has_words_for_those_who_do_not_see_it(app):
    settle(app)
    charts = app.get("plotly_chart")
    assert len(charts) == 3
    assert all(chart.proto.alt for chart in charts)


def test_the_address_says_what_is_pushed_where(app, pursuits):
    app.query_params.update(
        {"nb_model": "ncp_acl", "nb_push": "own", "nb_rank": "4", "nb_eps": "0.2", "steps": "3", "seed": "2"}
    )
    settle(app)
    assert not app.exception
    (spec,) = set(pursuits)
    assert (spec.model, spec.strategy, spec.rank) == ("ncp_acl", "own", 4)
    assert (spec.epsilon, spec.steps, spec.seed) == (0.2, 3, 2)


def test_a_sample_of_the_address_is_the_one_that_is_pushed(app, real_lab, pursuits):
    place = int(real_lab.library.parts("digits")[1].index[7])
    app.query_params.update({"sample": str(place)})
    settle(app)
    assert {spec.samples for spec in pursuits} == {(place,)}


def test_a_wrong_address_is_said_and_not_obeyed(app):
    app.query_params.update({"nb_push": "sideways", "nb_rank": "9", "nb_data": "noisy_digits", "nb_eps": "7"})
    settle(app)
    assert not app.exception
    said = texts(app, "warning")
    for word in ("sideways", "9", "noisy_digits", "7"):
        assert word in said


@pytest.fixture
def go_on(real_lab, monkeypatch):
    """Pushes wait until this is set."""
    room, event = type(real_lab.neighbours), Event()
    pursue = room.pursue

    def slow(self, spec):
        event.wait(SOON)
        yield from pursue(self, spec)

    monkeypatch.setattr(room, "pursue", slow)
    return event


def test_a_choice_that_was_left_and_taken_again_is_pushed_without_a_click(app, go_on):
    app.run()
    app.number_input(key="nb_eps").set_value(0.07).run()
    app.number_input(key="nb_eps").set_value(0.1).run()
    go_on.set()
    settle(app)
    assert "is pushed toward C" in texts(app)


def test_a_push_can_be_given_up_and_made_again(app, go_on):
    app.run()
    app.button(key="nb-cancel").click().run()
    go_on.set()
    assert cache.jobs().join(SOON)
    assert not app.exception
    app.button(key="nb-again").click().run()
    settle(app)
    assert "is pushed toward C" in texts(app)


def test_without_a_representation_the_page_says_how_to_make_one(lab):
    app = AppTest.from_file(str(PROJECT / "app.py"), default_timeout=SOON).switch_page("pages/neighbours.py").run()
    assert not app.exception
    assert "python -m core train digits/simclr" in texts(app, "info")
