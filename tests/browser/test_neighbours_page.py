"""The page with the real lab: its representations are small, and a push takes a second."""

import pytest

from tests.browser.conftest import resize

pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("ignore::ResourceWarning")]

REAL_LAB = True
THERE = ".steps[data-frames='12']"


@pytest.fixture
def open_neighbours(open_page):
    def go(query: str = "", **look):
        page = open_page(f"neighbours{query}", wait=THERE, **look)
        page.wait_for_selector("text=What the paper says")
        return page

    return go


def readout(page) -> str:
    return page.locator(".steps output").inner_text()


def test_the_keyboard_steps_a_sample_across_and_the_address_remembers_where(open_neighbours):
    page = open_neighbours("?nb_model=simclr&t=1")
    assert readout(page) == "iteration 1 of 10"
    page.locator(".steps input[type=range]").focus()
    page.keyboard.press("ArrowRight")
    assert readout(page) == "iteration 2 of 10"
    page.wait_for_url("**t=2**")
    page.keyboard.press("End")
    assert readout(page) == "iteration 10 of 10"
    names = page.locator(".steps .bars .name").all_inner_texts()
    assert all(name.startswith("C") for name in names if name != "others")


def test_another_push_is_in_the_address_and_on_the_map(open_neighbours):
    page = open_neighbours()
    page.get_by_role("radio", name="Toward the neighbour").click()
    page.wait_for_url("**nb_push=**")
    page.wait_for_function("() => document.body.innerText.includes('pushed toward the neighbour')")
    map_of_clusters = page.locator(".st-key-nb-map")
    for words in ("text=/^C1 /", "text=/the sample's way/"):
        map_of_clusters.locator(words).first.wait_for()


def test_presenting_in_the_dark_puts_the_controls_away_and_fits_a_narrow_screen(open_neighbours):
    page = open_neighbours("?present=1", scheme="dark")
    assert page.locator(".st-key-nb_model").is_hidden()
    assert page.locator(".steps.dark").is_visible()
    for width in (1440, 900):
        resize(page, width)
        wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide <= 0
