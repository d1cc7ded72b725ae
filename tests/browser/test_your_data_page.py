import math
import re

import numpy as np
import pytest
from test_own_data import paper

from tests.browser.conftest import follow, resize, watch_sending

pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("ignore::ResourceWarning")]

POINTS = 13
CLUSTERS, CLEAN = ".probe[data-identity='']", ".probe[data-frames='1']"
ATTACKED = f".probe[data-frames='{POINTS}']"


@pytest.fixture
def open_own(open_page):
    def go(query: str = "?seed=7", **look):
        return open_page(f"your_data{query}", wait=CLUSTERS, **look)

    return go


@pytest.fixture(scope="module")
def pad_page(open_shared_page):
    """A page on which nothing is drawn."""
    return open_shared_page("your_data?seed=7", wait=CLUSTERS)


def clear(page) -> None:
    page.get_by_role("button", name="Clear", exact=True).click()
    page.wait_for_selector(CLUSTERS)
    assert ink(page) == 0


def verdict(page) -> str:
    return page.locator(".probe .verdict").inner_text()


def ink(page) -> int:
    return int(page.locator(".pad").first.get_attribute("data-ink"))


def draw(page, *, middle=(0.5, 0.5), reach: float = 0.3) -> None:
    """A ring, as wide as it is high, by mouse."""
    box = page.locator(".pad .board canvas").first.bounding_box()
    turns = [2 * math.pi * i / 16 for i in range(17)]
    shares = [(middle[0] + reach * math.sin(turn), middle[1] - reach * math.cos(turn)) for turn in turns]
    places = [(box["x"] + box["width"] * x, box["y"] + box["height"] * y) for x, y in shares]
    page.mouse.move(*places[0])
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*place, steps=2)
    page.mouse.up()


def picture() -> bytes:
    mark = np.zeros((120, 90), dtype=np.float32)
    mark[20:100, 38:52] = 1
    return paper(mark)


def file(name: str, content: bytes) -> dict[str, object]:
    return {"name": name, "mimeType": "image/png", "buffer": content}


def upload(page, *files) -> None:
    page.locator("input[type=file]").first.set_input_files(list(files))


def test_a_drawing_by_mouse_falls_into_a_cluster(pad_page):
    page = pad_page
    assert page.locator(".probe .cluster").count() == 10
    assert page.locator(".pad .hint").is_visible()
    draw(page)
    assert ink(page) > 50
    assert not page.locator(".pad .hint").is_visible()
    page.wait_for_selector(CLEAN)
    assert re.match(r"It falls into cluster \d with confidence ", verdict(page))
    assert page.locator(".probe .near .around").count() == 8
    assert page.locator(".probe .bars .row").count() == 10
    clear(page)


def test_python_hears_of_a_stroke_only_at_its_end(open_own):
    page = open_own()
    page.wait_for_timeout(1000)
    watch_sending(page)
    box = page.locator(".pad .board canvas").bounding_box()
    page.mouse.move(box["x"] + 60, box["y"] + 60)
    page.mouse.down()
    for step in range(20):
        page.mouse.move(box["x"] + 60 + 5 * step, box["y"] + 60 + 6 * step)
    assert ink(page) > 20
    assert page.evaluate("window.sent") == 0
    page.mouse.up()
    page.wait_for_selector(CLEAN)
    assert page.evaluate("window.sent") > 0


def test_drawing_by_keyboard(pad_page):
    page = pad_page
    page.locator(".pad .board canvas").focus()
    for key in ["ArrowUp"] * 8 + [" "] + ["ArrowDown"] * 16 + [" "]:
        page.keyboard.press(key)
    page.wait_for_selector(CLEAN)
    drawn = ink(page)
    assert drawn > 40
    page.keyboard.press("Control+z")
    page.wait_for_selector(CLUSTERS)
    assert ink(page) == 0


def test_erase_undo_and_clear(pad_page):
    page = pad_page
    draw(page)
    whole = ink(page)
    page.get_by_role("button", name="Eraser", exact=True).click()
    draw(page, middle=(0.5, 0.2), reach=0.1)
    erased = ink(page)
    assert 0 < erased < whole
    page.get_by_role("button", name="Undo", exact=True).click()
    assert ink(page) == whole
    clear(page)


LATE = """() => {
    const listen = WebSocket.prototype.addEventListener;
    WebSocket.prototype.addEventListener = function (kind, hear, options) {
        const late = (event) => setTimeout(() => hear.call(this, event), 600);
        return listen.call(this, kind, kind === "message" ? late : hear, options);
    };
}"""


def test_quick_hands_on_a_slow_network_leave_the_page_alive(open_own):
    """A late browser has forgotten what Streamlit's server takes it to have; config.toml has it resent."""
    page = open_own(script=f"({LATE})()")
    draw(page)
    draw(page, middle=(0.5, 0.3), reach=0.1)
    page.get_by_role("button", name="Undo", exact=True).click()
    page.get_by_role("button", name="Clear", exact=True).click()
    page.wait_for_timeout(2500)
    page.wait_for_selector(CLUSTERS)
    draw(page)
    page.wait_for_selector(CLEAN)


def test_a_drawing_is_attacked_and_scrubbed(open_own):
    page = open_own("?seed=8&eps=0.6&attack=pgd")
    draw(page)
    page.wait_for_selector(CLEAN)
    page.locator(".st-key-run button:enabled").first.click()
    page.wait_for_selector(ATTACKED)
    page.wait_for_selector(".st-key-run button:disabled")
    assert verdict(page).startswith("At ε = 0.60, PGD ")
    page.locator(".probe input[type=range]").focus()
    page.keyboard.press("Home")
    assert verdict(page).startswith("It falls into cluster ")
    page.keyboard.press("ArrowRight")
    assert verdict(page).startswith("At ε = 0.05, PGD ")


def test_the_drawing_is_there_again_after_another_page(open_own):
    page = open_own()
    draw(page)
    page.wait_for_selector(CLEAN)
    drawn = ink(page)
    follow(page, "Attack")
    page.wait_for_selector(".stage[data-frames]")
    follow(page, "Your data")
    page.wait_for_selector(CLEAN)
    assert ink(page) == drawn


def test_uploaded_pictures_are_chosen_between(open_own):
    page = open_own("?own-source=pictures&seed=9")
    upload(page, file("b.png", picture()), file("a.png", picture()))
    page.wait_for_selector(CLEAN)
    assert [page.locator(".mine").nth(i).get_attribute("title") for i in (0, 1)] == ["a.png", "b.png"]
    assert verdict(page).startswith("a.png falls into")
    page.locator(".mine").nth(1).click()
    assert verdict(page).startswith("b.png falls into")


def test_a_rejected_upload_is_a_sentence_and_its_name_is_no_markup(open_own):
    page = open_own("?own-source=pictures&seed=9")
    upload(page, file("<img src=x onerror=alert(1)>![a](http:b).png", b"text"))
    alert = page.get_by_role("alert").filter(has_text="is no picture")
    alert.wait_for()
    assert alert.locator("img").count() == 0
    assert page.locator(CLUSTERS).count() == 1


def test_two_sessions_do_not_see_each_other(open_own):
    one, other = open_own(), open_own()
    draw(one)
    one.wait_for_selector(CLEAN)
    other.locator(".st-key-own-place label").first.click()
    other.wait_for_timeout(1500)
    assert other.locator(CLUSTERS).count() == 1
    assert ink(other) == 0


def test_fits_every_width(open_own):
    page = open_own(width=420)
    draw(page)
    page.wait_for_selector(CLEAN)
    for width in (420, 900, 1920):
        resize(page, width)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        for part in (".pad", ".probe"):
            box = page.locator(part).first.bounding_box()
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= width


def test_the_components_never_write_html():
    from pages.ui.components import ASSETS

    scripts = [*(ASSETS / "pad").glob("*.js"), *(ASSETS / "probe").glob("*.js")]
    assert len(scripts) == 3
    for script in scripts:
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", script.read_text())
