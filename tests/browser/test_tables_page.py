import re

import pytest

from tests.browser.conftest import resize

pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("ignore::ResourceWarning")]

CELL = "cl_mvc/noisy_digits/0.3"


@pytest.fixture
def open_tables(open_page):
    def go(**look):
        return open_page("tables", wait=".tables[data-ready]", **look)

    return go


@pytest.fixture(scope="module")
def tables_page(open_shared_page):
    return open_shared_page("tables", wait=".tables[data-ready]")


def show_digits(page) -> None:
    page.locator(".st-key-sets-table_1 button", has_text="NoisyDigits").click()
    page.wait_for_selector(f"[data-key='{CELL}']")


def focused(page) -> str:
    return page.evaluate(FOCUSED)


def test_a_cell_leads_to_its_evidence_and_into_the_address(open_tables):
    page = open_tables()
    show_digits(page)
    page.locator(f"[data-key='{CELL}']").click()
    page.get_by_text("CL-MVC on NoisyDigits after the GAN attack").wait_for()
    page.wait_for_function("location.search.includes('cell=cl_mvc')")
    assert page.locator(f"[data-key='{CELL}']").get_attribute("aria-selected") == "true"
    page.locator(".st-key-compute-cell button").first.click()
    page.wait_for_selector(".js-plotly-plot")
    assert page.locator(f"[data-key='{CELL}']").get_attribute("aria-selected") == "true"


def test_the_table_is_operated_by_keyboard(open_tables):
    page = open_tables()
    page.locator(".tables td").first.focus()
    first = focused(page)
    page.keyboard.press("ArrowDown")
    assert focused(page) == first.replace("eamc", "simvc")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowUp")
    assert focused(page).startswith("eamc/")
    assert focused(page) != first
    page.keyboard.press("Enter")
    page.get_by_text("EAMC on Synthetic people after the GAN attack").wait_for()
    assert focused(page).startswith("eamc/")  # still there after the page has been drawn again
    assert page.locator(".tables td[tabindex='0']").count() == 1


def test_the_way_to_the_attack_page_takes_the_choices_along(open_tables):
    page = open_tables()
    show_digits(page)
    page.locator(f"[data-key='{CELL}']").click()
    page.locator(".st-key-see-cell-attack button").first.click()
    page.wait_for_selector(".stage[data-frames]")
    page.locator(".st-key-run, .st-key-cancel").first.wait_for()
    assert page.locator(".st-key-model input").input_value() == "CL-MVC"
    assert page.locator(".st-key-eps input").input_value() == "0.30"
    page.get_by_text("GAN on CL-MVC").or_(page.get_by_text("Finished after")).first.wait_for()  # it runs by itself


def test_only_the_table_scrolls_sideways(tables_page):
    for width in (900, 420):
        resize(tables_page, width)
        assert tables_page.evaluate("document.documentElement.scrollWidth") <= width
        assert tables_page.evaluate(SCROLLS)
    resize(tables_page, 1440)


def test_follows_the_theme(tables_page, open_tables):
    for page, is_dark in ((tables_page, False), (open_tables(scheme="dark"), True)):
        assert ("dark" in page.locator(".tables").get_attribute("class").split()) == is_dark


def test_the_component_never_writes_html():
    from pages.ui.components import script

    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", script("tables"))


ROOT = """[...document.querySelectorAll("*")].map(e => e.shadowRoot?.querySelector(".tables")).find(Boolean)"""
FOCUSED = f"() => {ROOT}.getRootNode().activeElement?.dataset.key ?? ''"
SCROLLS = f"() => {{ const box = {ROOT}.querySelector('.scroll'); return box.scrollWidth > box.clientWidth + 1; }}"


def test_every_tab_opens_and_stands_in_the_address(tables_page):
    page = tables_page
    for tab, said in (
        ("Table 2", "trained on → scored on"),
        ("Figures 4, 6–8", "Accuracy over λ and γ"),
        ("Ablations", "One view attacked at a time"),
        ("Attackers on other models", "Generators trained against one model"),
    ):
        page.get_by_role("button", name=tab, exact=True).or_(page.get_by_role("radio", name=tab, exact=True)).click()
        page.get_by_text(said).first.wait_for()
        page.wait_for_function("tab => new URLSearchParams(location.search).get('tab') === tab", arg=tab)
