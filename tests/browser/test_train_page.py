import re

import pytest

from tests.browser.conftest import follow, resize

pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("ignore::ResourceWarning")]

RUN = "[class*='st-key-tr_run_']"


@pytest.fixture
def open_train(open_page):
    def go():
        return open_page("train", wait=".st-key-tr_start button")

    return go


def fill(page, key, value):
    page.locator(f".st-key-{key} input").fill(value)
    page.keyboard.press("Enter")


def press(run, name):
    """By keyboard: buttons move where others come and go."""
    run.get_by_role("button", name=name).press("Enter")


def run_of_seed(page, seed):
    return page.locator(RUN, has_text=f"seed {seed} ·")


def test_a_training_is_started_watched_stopped_and_gone_on_with(open_train):
    page = open_train()
    fill(page, "tr_seed", "301")
    fill(page, "tr_epochs", "900")
    page.wait_for_function("location.search.includes('tr_epochs=900')")
    page.locator(".st-key-tr_start button").click()
    run = run_of_seed(page, 301)
    run.get_by_text(re.compile(r"seed 1 of 3 · clustering · epoch \d+ of 900")).first.wait_for()
    page.wait_for_selector(".js-plotly-plot .main-svg")
    press(run, "Stop")
    run.get_by_role("button", name="Resume").wait_for()
    assert re.search(r"\d% done", run.inner_text())
    press(run, "Resume")
    press(run, "Stop")
    run.get_by_role("button", name="Resume").wait_for()


def test_what_is_typed_just_before_the_click_is_trained_and_used_at_once(open_train):
    page = open_train()
    fill(page, "tr_seed", "302")
    fill(page, "tr_runs", "1")
    page.wait_for_function("location.search.includes('tr_runs=1')")
    page.locator(".st-key-tr_epochs input").fill("2")
    page.locator(".st-key-tr_start button").click()
    run = run_of_seed(page, 302)
    run.get_by_role("button", name="Attack this model").wait_for()
    assert "2 epochs" in run.inner_text()
    assert "ACC 0.900" in run.inner_text()
    page.wait_for_selector("[data-testid=stMetric]")
    run.get_by_role("button", name="Attack this model").click()
    page.wait_for_selector(".stage[data-frames]")
    assert page.locator(".st-key-model input").input_value() == "CL-MVC"


def test_a_run_is_removed_after_a_question(open_train):
    page = open_train()
    fill(page, "tr_seed", "303")
    fill(page, "tr_epochs", "1")
    fill(page, "tr_runs", "1")
    page.wait_for_function("location.search.includes('tr_runs=1')")
    page.locator(".st-key-tr_start button").click()
    run = run_of_seed(page, 303)
    run.get_by_role("button", name="Remove").click()
    page.get_by_role("button", name="Remove this run").click()
    run.wait_for(state="detached")


def test_the_sidebar_leads_to_it_and_back_to_what_was_chosen(open_page):
    page = open_page("?seed=108")
    follow(page, "Train")
    page.locator(".st-key-tr_start button").wait_for()
    assert page.url.split("?")[0].endswith("/train")
    follow(page, "Attack")
    page.wait_for_selector(".stage[data-frames]")
    page.wait_for_function("location.search.includes('seed=108')")


def test_fits_every_width(open_train):
    page = open_train()
    for width in (900, 420):
        resize(page, width)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
