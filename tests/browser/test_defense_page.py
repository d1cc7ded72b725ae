import pytest

from tests.browser.conftest import resize

pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("ignore::ResourceWarning")]

PACE = 0.02  # seconds an ε
POINTS = 13
MODELS = ["cl_mvc", "ar_dmvc", "ar_dmvc_am", "rcd_mvc"]


@pytest.fixture
def open_defense(open_page):
    def go(query: str = "", **look):
        return open_page(f"defense{query}", wait=".defense[data-frames]", **look)

    return go


def run_to_the_end(page) -> None:
    page.locator(".st-key-run button").first.click()
    for model in MODELS:
        page.wait_for_selector(f".column[data-model={model}][data-frames='{POINTS}']")
    page.wait_for_selector(".st-key-save-scores-of-all-models-csv")


def kept(page) -> list[str]:
    return page.locator(".column .keeps b").all_inner_texts()


def test_the_same_attack_meets_every_model_on_one_scrubber(open_defense):
    page = open_defense("?seed=201&n=64")
    assert page.locator(".column h3 >> text=AR-DMVC-AM").is_visible()
    assert page.locator(".column .kind").first.inner_text() == "undefended"
    run_to_the_end(page)
    at_the_end = kept(page)
    assert len(set(at_the_end)) > 1
    page.locator(".defense input[type=range]").focus()
    page.keyboard.press("Home")
    assert kept(page) != at_the_end
    assert "At ε = 0 nothing is changed" in page.locator(".verdict").inner_text()
    page.keyboard.press("ArrowRight")
    assert page.locator(".verdict").inner_text().startswith("At ε = 0.025, GAN leaves ACC: CL-MVC")
    page.wait_for_function("location.search.includes('at=0.025')")


def test_a_stronger_attack_is_asked_and_its_answer_stands_in_every_column(open_defense):
    page = open_defense("?seed=202&n=64")
    run_to_the_end(page)
    assert page.locator(".caveat").all_inner_texts() == ["Not checked against a stronger attack yet."] * len(MODELS)
    page.locator(".st-key-stronger button").first.click()
    page.locator(".caveat", has_text="PGD on").nth(len(MODELS) - 1).wait_for()
    page.locator(".curves .shape.stronger").nth(POINTS * len(MODELS) - 1).wait_for(state="attached")
    assert page.locator(".caveat", has_text="PGD on").count() == len(MODELS)
    assert page.locator(".curves .shape.stronger").count() == POINTS * len(MODELS)


def test_what_is_picked_in_one_column_is_picked_in_all(open_defense):
    page = open_defense("?seed=204&n=64")
    run_to_the_end(page)
    shown = page.locator(".column").nth(0).locator(".strip .card").count()
    page.locator(".column").nth(0).locator(".before td.diagonal").first.click()
    chip = page.locator(".chips:visible")
    assert "in cluster" in chip.inner_text()
    counts = {page.locator(".column").nth(i).locator(".strip .card:visible").count() for i in range(len(MODELS))}
    assert len(counts) == 1
    assert counts.pop() < shown
    chip.locator(".chip").first.click()
    assert page.locator(".column").nth(2).locator(".strip .card:visible").count() == shown


def test_pointing_at_a_sample_marks_it_in_every_column(open_defense):
    page = open_defense("?seed=203&n=64")
    page.locator(".column").nth(0).locator(".strip .card").nth(1).click()
    assert page.locator(".strip .card[aria-pressed=true]").count() == len(MODELS)
    labels = {card.get_attribute("aria-label") for card in page.locator(".strip .card[aria-pressed=true]").all()}
    assert len({label.split(",")[0] for label in labels}) == 1


def test_fits_every_width(open_defense):
    page = open_defense("?seed=203&n=64")
    for width in (1440, 900, 420):
        resize(page, width)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        tops = [box["y"] for box in (column.bounding_box() for column in page.locator(".column").all())]
        assert (len(set(tops)) == 1) == (width == 1440)


def test_long_names_leave_the_counts_of_a_matrix_room(open_defense):
    page = open_defense("?data=synthetic_people&seed=205", width=780)
    cells = page.locator(".before td")  # of the one model that there is
    cells.nth(99).wait_for()
    assert 440 < page.locator(".matrices").first.bounding_box()["width"] < 500
    cut = """cells => cells.filter((cell) => {
        const written = document.createRange();
        written.selectNodeContents(cell);
        return written.getBoundingClientRect().width > cell.clientWidth;
    }).map((cell) => cell.textContent)"""
    assert cells.evaluate_all(cut) == []
