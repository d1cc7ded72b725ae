"""The guide in a browser: the glimpse is scrubbed, a link opens the Attack page, the tour comes and goes."""

import pytest

from pages.ui.guide_topics import TOPICS
from tests.browser.conftest import resize

pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("ignore::ResourceWarning")]
TOUR_CARD = ".tour-card"


@pytest.fixture
def open_guide(open_page):
    def go(topic: str):
        return open_page(f"guide?topic={topic}", wait=".st-key-guide-text h1")

    return go


def test_the_glimpse_is_scrubbed_in_the_browser(open_guide):
    page = open_guide("controls")
    page.wait_for_selector(".glimpse[data-frames]")
    slider = page.locator(".glimpse input[type=range]")
    slider.focus()
    page.keyboard.press("Home")
    assert "nothing is changed" in page.locator(".glimpse .verdict").inner_text()
    assert page.locator(".glimpse .cell.moved").count() == 0
    page.keyboard.press("End")
    assert "At ε = 0.30" in page.locator(".glimpse .verdict").inner_text()
    assert page.locator(".glimpse .cell").count() == 10
    assert page.locator(".glimpse .cell.moved").count() > 0


def test_a_topic_that_is_not_there_leaves_the_text_its_width(open_guide):
    wide = {}
    for topic in ("views", "nonsense"):
        page = open_guide(topic)
        wide[topic] = page.locator(".st-key-guide-text h1").bounding_box()["width"]
    assert page.get_by_text("That was ignored").is_visible()
    assert wide["nonsense"] == wide["views"] > 300


def test_nothing_is_wider_than_the_window(open_guide):
    page = open_guide("views")
    for topic in ("controls", "theorem", "glossary", "lecture"):
        name = TOPICS[topic].name
        page.get_by_role("radio", name=name, exact=True).click()
        page.wait_for_function("name => new URLSearchParams(location.search).get('topic') === name", arg=name)
        page.locator("[data-testid=stApp][data-test-script-state=notRunning]").wait_for()
        for width in (900, 420):
            resize(page, width)
            main = page.locator("[data-testid=stMain]")
            assert main.evaluate("node => node.scrollWidth <= node.clientWidth"), (topic, width)


def test_a_link_of_the_guide_opens_the_attack_page_and_runs(open_guide):
    page = open_guide("budget")
    page.locator(".st-key-see-budget-1 button").click()
    page.wait_for_selector(".stage[data-frames]:not([data-frames='1'])")
    assert "GAN moved" in page.locator(".stage .verdict").inner_text()


def test_the_tour_comes_once_walks_through_its_stops_and_ends_with_escape(chromium, server):
    context = chromium.new_context(viewport={"width": 1440, "height": 900})
    page = context.new_page()
    page.goto(server)
    page.wait_for_selector(TOUR_CARD)
    assert page.locator(".tour .count").inner_text() == "1 of 5"
    page.get_by_role("button", name="Next").click()
    assert page.locator("h3#tour-title").inner_text() == "Who attacks?"
    ring, control = page.locator(".ring").bounding_box(), page.locator(".st-key-attack").bounding_box()
    assert ring["x"] < control["x"]
    assert ring["width"] > control["width"]
    page.keyboard.press("Escape")
    assert page.locator(TOUR_CARD).is_hidden()
    page.reload()
    page.wait_for_selector(".stage[data-frames]")
    page.wait_for_timeout(1500)
    assert page.locator(TOUR_CARD).is_hidden()
    context.close()


def test_the_tour_does_not_come_to_a_link_but_when_asked_for(open_guide):
    page = open_guide("views")
    page.locator(".st-key-guide-tour button").click()
    page.wait_for_selector(TOUR_CARD)
    page.get_by_role("button", name="Skip").click()
    assert page.locator(TOUR_CARD).is_hidden()
