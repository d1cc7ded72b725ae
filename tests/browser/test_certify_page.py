"""The page with the real lab: what it shows is kept, and the browser computes the rest."""

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("ignore::ResourceWarning")]

REAL_LAB = True
THERE = ".plane .column[data-radius]"


@pytest.fixture
def open_certify(open_page):
    def go(query: str = "", **look):
        page = open_page(f"certify{query}", wait=THERE, **look)
        page.wait_for_selector("text=What the paper says")
        return page

    return go


def column(page, place=0):
    return page.locator(".plane .column").nth(place)


def numbers(page, place=0):
    data = column(page, place).evaluate("node => ({...node.dataset})")
    return float(data["radius"]), float(data["flip"] or "inf"), data["proven"] == "true"


def test_a_dragged_point_keeps_its_radius_inside_the_nearest_flip_and_stays_in_the_address(open_certify):
    page = open_certify("?px=0.3&py=0.7")
    canvas = column(page).locator("canvas[tabindex]")
    box = canvas.bounding_box()
    for across, down in ((0.2, 0.3), (0.5, 0.5), (0.8, 0.6), (0.35, 0.2)):
        page.mouse.move(box["x"] + across * box["width"], box["y"] + down * box["height"])
        page.mouse.down()
        page.mouse.up()
        for place in (0, 1):
            radius, flip, proven = numbers(page, place)
            assert proven
            assert radius <= flip
    page.wait_for_url("**px=0.35*py=0.8*")
    assert "certified radius" in column(page).locator(".finding").inner_text()


def test_the_keyboard_moves_the_point_and_scrubs_the_training(open_certify):
    page = open_certify("?px=0.5&py=0.5")
    before = numbers(page)
    column(page).locator("canvas[tabindex]").focus()
    page.keyboard.press("Shift+ArrowUp")
    page.wait_for_url("**py=0.55*")
    assert numbers(page) != before
    page.locator(".plane input[type=range]").focus()
    page.keyboard.press("Home")
    assert column(page).get_attribute("data-proven") == "false"
    assert "estimated, not certified" in column(page).locator(".finding").inner_text()
    assert "New weights, epoch 0" in column(page).inner_text()


def test_it_is_as_readable_in_the_dark_and_on_a_narrow_screen(open_certify):
    page = open_certify(width=900, scheme="dark")
    assert page.locator(".plane.dark").count() == 1
    wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert wide <= 0
    for canvas in page.locator(".plane canvas").all():
        assert canvas.get_attribute("aria-label")
