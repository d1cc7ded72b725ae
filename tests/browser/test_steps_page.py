import json
import re

import pytest

from tests.browser.conftest import resize, watch_sending

pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("ignore::ResourceWarning")]

QUERY = "?seed=301&steps=8&eps=0.15"
FRAMES = 10
THERE = f".steps[data-frames='{FRAMES}']"


@pytest.fixture
def open_steps(open_page):
    def go(query: str = QUERY, **look):
        page = open_page(f"steps{query}", wait=THERE, **look)
        page.wait_for_selector(".st-key-see-steps-attack")
        return page

    return go


@pytest.fixture(scope="module")
def steps_page(open_shared_page):
    page = open_shared_page(f"steps{QUERY}", wait=THERE)
    page.wait_for_selector(".st-key-see-steps-attack")
    return page


def verdict(page) -> str:
    return page.locator(".steps .verdict").inner_text()


def readout(page) -> str:
    return page.locator(".steps output").inner_text()


def slider(page):
    return page.locator(".steps input[type=range]")


def rest(page) -> None:
    """Nothing has the focus."""
    page.evaluate("document.activeElement.blur()")


def test_the_page_opens_where_the_sample_crosses(open_steps):
    page = open_steps(f"{QUERY}&sample=943")
    crossing = int(re.match(r"iteration (\d) of 8", readout(page)).group(1))
    assert verdict(page).startswith(f"At iteration {crossing} of 8 sample 943 leaves cluster")
    assert page.locator(".steps .key-adversarial >> text=/cluster . ▸ ./").is_visible()
    assert "t=" not in page.url


def test_a_sample_that_stays_opens_at_its_end(open_steps):
    page = open_steps("?seed=301&steps=8&eps=0.08&sample=944")
    assert readout(page) == "iteration 8 of 8"
    assert "is still in its clean cluster" in verdict(page)
    assert page.locator(".chart .crossing").count() == 0


def test_arrow_keys_step_and_space_plays_wherever_the_focus_is_free(steps_page):
    page = steps_page
    rest(page)
    for _ in range(FRAMES):
        page.keyboard.press("ArrowLeft")
    assert readout(page) == "clean"
    page.keyboard.press("ArrowRight")
    assert readout(page) == "random start"
    page.keyboard.press("ArrowRight")
    assert readout(page) == "iteration 1 of 8"
    page.keyboard.press(" ")
    assert page.get_by_role("button", name="Pause").is_visible()
    page.wait_for_function(f"() => {STEPS}.querySelector('output').textContent.startsWith('iteration 3')")
    page.keyboard.press(" ")
    seen = readout(page)
    page.wait_for_timeout(900)
    assert readout(page) == seen


def test_arrow_keys_in_a_field_stay_there(steps_page):
    page = steps_page
    seen = readout(page)
    page.locator(".st-key-seed input").focus()
    page.keyboard.press("ArrowLeft")
    assert readout(page) == seen


def test_buttons_step_and_stop_at_the_ends(steps_page):
    page = steps_page
    slider(page).focus()
    page.keyboard.press("Home")
    back = page.get_by_role("button", name="One iteration back")
    assert back.is_disabled()
    page.get_by_role("button", name="One iteration on").click()
    assert readout(page) == "random start"
    assert back.is_enabled()
    slider(page).focus()
    page.keyboard.press("End")
    assert page.get_by_role("button", name="One iteration on").is_disabled()


def test_scrubbing_needs_no_server_until_the_hand_rests(open_steps):
    page = open_steps()
    page.wait_for_timeout(1000)
    watch_sending(page)
    slider(page).focus()
    said = set()
    for key in ["Home", *["ArrowRight"] * 6]:
        page.keyboard.press(key)
        said.add(verdict(page))
    assert len(said) == 7
    assert page.evaluate("window.sent") == 0
    assert float(page.locator(".steps").get_attribute("data-draw-ms")) < 33
    page.wait_for_function("location.search.includes('t=5')")


def test_pictures_bars_and_charts_follow_the_iteration(open_steps):
    page = open_steps(f"{QUERY}&sample=943")
    slider(page).focus()
    page.keyboard.press("Home")
    first = page.evaluate(LOOK)
    page.keyboard.press("End")
    last = page.evaluate(LOOK)
    assert all(before != after for before, after in zip(first, last, strict=True))
    assert page.locator(".bars .home .value").inner_text() != page.locator(".bars .away .value").inner_text()


def test_a_click_on_a_chart_goes_there(steps_page):
    page = steps_page
    for chart in page.locator(".steps .chart").all():
        box = chart.bounding_box()
        chart.click(position={"x": box["width"] - 16, "y": box["height"] / 2})
        assert readout(page) == "iteration 8 of 8"
        slider(page).focus()
        page.keyboard.press("Home")
        assert readout(page) == "clean"


def test_the_address_brings_back_what_was_seen(open_steps):
    page = open_steps(f"{QUERY}&sample=943&sample=950&model=ar_dmvc_am&goal=assignment")
    slider(page).focus()
    page.keyboard.press("Home")
    for _ in range(4):
        page.keyboard.press("ArrowRight")
    page.wait_for_function("location.search.includes('t=3')")
    other = open_steps(page.evaluate("location.search"))
    assert readout(other) == "iteration 3 of 8"
    assert verdict(other) == verdict(page)


def test_a_click_on_the_strip_follows_that_sample(open_steps):
    page = open_steps()
    pick = page.locator(".pick").nth(5)
    place = pick.inner_text().strip()
    pick.click()
    page.wait_for_function(f"() => {STEPS}.querySelector('.sample').textContent.includes('sample {place},')")
    page.wait_for_function(f"location.search.includes('sample={place}')")
    assert pick.get_attribute("aria-pressed") == "true"


def test_samples_are_compared_and_one_of_them_is_active(open_steps):
    page = open_steps()
    page.get_by_role("button", name="Compare").click()
    for row in (3, 4):
        page.locator(".pick").nth(row).click()
        page.wait_for_function(f"() => {STEPS}.querySelectorAll('.follow').length === {row - 1}")
    assert page.locator(".follow[aria-pressed=true]").count() == 1
    before = verdict(page)
    page.locator(".follow").nth(2).click()
    assert page.locator(".follow").nth(2).get_attribute("aria-pressed") == "true"
    assert verdict(page) != before
    page.locator(".pick").nth(3).click()
    page.wait_for_function(f"() => {STEPS}.querySelectorAll('.follow').length === 2")


def test_a_training_sample_is_refused_and_another_followed(open_steps, open_page):
    page = open_page(f"steps{QUERY}&sample=12", wait=".st-key-another")
    assert page.get_by_text("Sample 12 of noisy_digits is in the part that models are trained on.").is_visible()
    page.locator(".st-key-another button").click()
    page.wait_for_selector(THERE)


def test_the_table_of_a_chart_is_saved_by_the_browser(steps_page):
    page = steps_page
    with page.expect_download() as saved:
        page.locator(".over.margin .exports button", has_text="SVG").click()
    assert saved.value.suggested_filename.endswith("-margin.svg")
    text = saved.value.path().read_text()
    assert text.startswith("<svg")
    assert "polyline" in text


def test_follows_the_theme(steps_page, open_steps):
    for page, is_dark in ((steps_page, False), (open_steps(scheme="dark"), True)):
        assert ("dark" in page.locator(".steps").get_attribute("class").split()) == is_dark


def test_fits_every_width(open_steps):
    page = open_steps(f"{QUERY}&sample=943&sample=950")
    for width in (1920, 900, 420):
        resize(page, width)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        for part in page.locator(".steps .panel").all():
            box = part.bounding_box()
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= width


def test_the_components_never_write_html():
    from pages.ui.components import ASSETS

    scripts = [*(ASSETS / "steps").glob("*.js"), *(ASSETS / "strip").glob("*.js")]
    assert len(scripts) == 6
    for script in scripts:
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", script.read_text())


def find(name: str) -> str:
    return (
        f"[...document.querySelectorAll('*')].map(e => e.shadowRoot?.querySelector({json.dumps(name)})).find(Boolean)"
    )


STEPS = find(".steps")
LOOK = f"""() => {{
    const root = {STEPS};
    const pixels = (canvas) => canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data.join();
    const ends = [...root.querySelectorAll(".chart .cursor")].map((line) => line.getAttribute("x1"));
    return [pixels(root.querySelector(".follow canvas")), pixels(root.querySelector(".map canvas")),
        root.querySelector(".bars").textContent, ...ends, root.querySelector(".chart .window").getAttribute("x")];
}}"""
